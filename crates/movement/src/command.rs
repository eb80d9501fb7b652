//! Clients' command lines and scripts: their words, options, and the hosts they name.

use crate::family::Family;

/// What a technique extracts from a command line: the destination, the account, and its ATT&CK ids.
pub(crate) struct Named {
    pub hosts: Vec<String>,
    pub user: Option<String>,
    /// As whom the payload is to run there, if that is neither the client nor `user`.
    pub runs_as: Option<String>,
    pub techniques: &'static [&'static str],
    /// The way, if it is not that of the technique itself.
    pub family: Option<Family>,
}

/// A client program's command line.
pub(crate) struct CommandLine {
    /// The program's name in lower case, without `.exe`.
    pub program: String,
    /// The original file name, in lower case.
    pub original: String,
    pub words: Vec<String>,
}

/// The account of Windows itself, as its tools write it.
pub(crate) const SYSTEM: &str = "SYSTEM";

impl CommandLine {
    pub fn new(image: &str, original: &str, command: &str) -> Self {
        Self {
            program: image.to_lowercase().trim_end_matches(".exe").to_owned(),
            original: original.to_lowercase(),
            words: words(command),
        }
    }

    /// PsExec or PAExec, even renamed; not their services.
    pub fn is_psexec(&self) -> bool {
        self.original == "psexec.c"
            || self.original == "psexec.exe"
            || self.program.starts_with("psexec") && self.program != "psexesvc"
            || self.program.starts_with("paexec") && self.original != "psexesvc.exe"
    }

    /// The value of an option: `/node:x`, `-r:x`, `/s x`.
    pub fn option(&self, names: &[&str]) -> Option<String> {
        option(&self.words, names)
    }

    /// The first word that begins with two backslashes, after the program.
    pub fn unc(&self) -> Option<String> {
        self.words
            .iter()
            .skip(1)
            .find(|word| word.starts_with("\\\\"))
            .cloned()
    }

    /// Whether it contains a word, ignoring case.
    pub fn says(&self, word: &str) -> bool {
        self.words.iter().any(|own| own.eq_ignore_ascii_case(word))
    }

    /// Words after the program that are neither options nor values of these options.
    pub fn operands(&self, with_value: &[&str]) -> impl Iterator<Item = &String> {
        let mut value = false;
        self.words.iter().skip(1).filter(move |word| {
            if std::mem::take(&mut value) {
                return false;
            }
            match word.strip_prefix('-') {
                Some(name) => {
                    value = with_value.contains(&name);
                    false
                }
                None => true,
            }
        })
    }

    /// The hosts it names, if any: one, or several separated by commas.
    pub fn on(
        &self,
        host: Option<String>,
        user: Option<String>,
        techniques: &'static [&'static str],
    ) -> Option<Named> {
        let hosts = hosts(&host?);
        (!hosts.is_empty()).then_some(Named {
            hosts,
            user,
            runs_as: None,
            techniques,
            family: None,
        })
    }
}

/// Words of a command line; quotes keep words together.
pub(crate) fn words(command: &str) -> Vec<String> {
    let mut all = Vec::new();
    let mut word = String::new();
    let mut quoted = false;
    for c in command.chars() {
        match c {
            '"' => quoted = !quoted,
            c if c.is_whitespace() && !quoted => {
                if !word.is_empty() {
                    all.push(std::mem::take(&mut word));
                }
            }
            c => word.push(c),
        }
    }
    if !word.is_empty() {
        all.push(word);
    }
    all
}

/// The value of an option: `/node:x`, `-r:x`, `/s x`.
pub(crate) fn option(words: &[String], names: &[&str]) -> Option<String> {
    for (at, word) in words.iter().enumerate() {
        let lower = word.to_ascii_lowercase();
        let bare = lower.trim_start_matches(['/', '-']);
        if bare.len() == lower.len() {
            continue;
        }
        for name in names {
            if bare == *name {
                return words.get(at + 1).cloned();
            }
            if let Some(rest) = bare.strip_prefix(name)
                && rest.starts_with([':', '='])
            {
                let value = word.get(word.len() - rest.len() + 1..).unwrap_or_default();
                return if value.is_empty() {
                    words.get(at + 1).cloned()
                } else {
                    Some(value.to_owned())
                };
            }
        }
    }
    None
}

/// A host's name without the parts that command lines add: quotes, `\\`, a share, a scheme, a port.
pub(crate) fn clean(host: &str) -> String {
    let host = host.trim_matches(|c: char| c.is_whitespace() || "\"',;(){}".contains(c));
    let host = host
        .split_once("://")
        .map_or(host, |(_, rest)| rest.split('/').next().unwrap_or(rest));
    let host = host.trim_start_matches('\\');
    let host = host.split('\\').next().unwrap_or_default();
    match host.rsplit_once(':') {
        Some((name, port)) if !name.contains(':') && port.parse::<u16>().is_ok() => name,
        _ => host,
    }
    .to_owned()
}

/// The hosts of a comma-separated list. Files of hosts, networks and ranges are sweeps, which name none.
pub(crate) fn hosts(list: &str) -> Vec<String> {
    list.split(',')
        .map(clean)
        .filter(|host| {
            let range = host.starts_with(|c: char| c.is_ascii_digit()) && host.contains('-');
            !host.is_empty()
                && !host.ends_with(".txt")
                && !range
                && !host.contains(['@', '/', '*', '$', '%'])
        })
        .collect()
}

/// The value of a PowerShell parameter, possibly a list; `name` is in lower case.
pub(crate) fn parameter(text: &str, name: &str) -> Option<String> {
    // Offsets hold in the original text: names are ASCII, while other letters may change their length.
    let lower = text.to_ascii_lowercase();
    let mut from = 0;
    loop {
        let at = from + lower.get(from..)?.find(name)? + name.len();
        from = at;
        let rest = text.get(at..)?;
        // A longer name is another parameter.
        if rest.starts_with(|c: char| c.is_alphanumeric()) && !name.ends_with(' ') {
            continue;
        }
        let rest = rest.trim_start_matches([' ', ':', '=', '\t']);
        let rest = rest.trim_start_matches(['@', '(']);
        let value = value(rest);
        return (!value.is_empty() && !value.starts_with(['$', '-', '{'])).then_some(value);
    }
}

/// A value, or a comma-separated list of values, up to the next word.
pub(crate) fn value(text: &str) -> String {
    let mut all = String::new();
    let mut quote = None;
    // Whether a comma was read last, so that the list continues.
    let mut goes_on = true;
    for c in text.chars() {
        match quote {
            Some(open) if c == open => quote = None,
            Some(_) => all.push(c),
            None if matches!(c, '"' | '\'') => {
                quote = Some(c);
                goes_on = false;
            }
            None if c.is_whitespace() && goes_on => {}
            None if c.is_whitespace() || matches!(c, ';' | ')' | '}' | '|' | '{') => break,
            None => {
                all.push(c);
                goes_on = c == ',';
            }
        }
    }
    all
}

/// The value of `name=value`, `name:value` or `-name value` in a command line.
pub(crate) fn named_value(command: &str, name: &str) -> Option<String> {
    words(command)
        .iter()
        .find_map(|word| {
            let lower = word.to_ascii_lowercase();
            let rest = lower.trim_start_matches(['/', '-']).strip_prefix(name)?;
            rest.starts_with(['=', ':']).then_some(())?;
            word.get(word.len() - rest.len() + 1..).map(str::to_owned)
        })
        .filter(|value| !value.is_empty())
        .or_else(|| parameter(command, &format!("-{name}")))
}
