//! `crabwalk completions` and `crabwalk man`: both are made from the definition of the command line, so they never lag
//! behind it.

use std::fs;
use std::io::{self, Write as _};
use std::path::Path;

use clap::CommandFactory as _;
use clap_complete::{Shell, generate};

use crate::args::Args;
use crate::outcome::{Done, Failure};

/// Prints the completions for a shell.
pub fn completions(shell: Shell) -> Result<Done, Failure> {
    // The generator has no way to report a closed pipe.
    let mut script = Vec::new();
    generate(shell, &mut Args::command(), "crabwalk", &mut script);
    io::stdout().lock().write_all(&script)?;
    Ok(Done::Whole)
}

/// Writes `crabwalk.1`, and `crabwalk-<command>.1` for each command and its commands.
pub fn pages(directory: &Path) -> Result<Done, Failure> {
    let program = Args::command().disable_help_subcommand(true);
    fs::create_dir_all(directory)
        .and_then(|()| clap_mangen::generate_to(program, directory))
        .map_err(|error| Failure::new(format!("{}: {error}", directory.display())))?;
    Ok(Done::Whole)
}

/// The reference of the command line, `docs/cli.md`, is written from its definition too.
/// `REFERENCE=write cargo test --workspace reference` writes it.
#[cfg(test)]
mod reference {
    use std::fmt::Write as _;

    use clap::{Arg, Command, CommandFactory as _};
    use crabwalk_testing::assert_fresh;

    use crate::args::Args;

    /// A text in a cell of a Markdown table.
    fn cell(text: &str) -> String {
        let words: Vec<&str> = text.split_whitespace().collect();
        let text = words.join(" ");
        // Between backticks everything stands as it is, except that a bar would end the cell.
        let parts = text.split('`').enumerate().map(|(index, part)| {
            let part = part.replace('|', "\\|");
            if index % 2 == 0 {
                part.replace('<', "&lt;").replace('*', "\\*")
            } else {
                part
            }
        });
        parts.collect::<Vec<_>>().join("`")
    }

    /// How an argument is written.
    fn written(arg: &Arg) -> String {
        let values = arg.get_value_names().unwrap_or_default();
        let values: Vec<&str> = values.iter().map(|name| name.as_str()).collect();
        let value = if arg.get_action().takes_values() {
            values.join(" ")
        } else {
            String::new()
        };
        let name = match (arg.get_long(), arg.get_short()) {
            (Some(long), Some(short)) => format!("-{short}, --{long}"),
            (Some(long), None) => format!("--{long}"),
            (None, Some(short)) => format!("-{short}"),
            (None, None) => return format!("`{value}`"),
        };
        format!("`{}`", format!("{name} {value}").trim_end())
    }

    /// What an argument does, its values, its default and its variable.
    fn about(arg: &Arg) -> String {
        let help = arg.get_long_help().or_else(|| arg.get_help());
        let mut text = help.map(ToString::to_string).unwrap_or_default();
        if !text.is_empty() && !text.ends_with(['.', ')', ']']) {
            text.push('.');
        }
        if !arg.get_action().takes_values() {
            return cell(&text);
        }
        let values = arg.get_possible_values();
        let values: Vec<String> = values
            .iter()
            .filter(|value| !value.is_hide_set() && !arg.is_hide_possible_values_set())
            .map(|value| match value.get_help() {
                Some(help) => {
                    let help = help.to_string();
                    let help = help.trim_end_matches('.');
                    // As it goes on in a sentence, unless the word is a name.
                    let mut letters = help.chars();
                    let first = letters.next().map(char::to_lowercase);
                    let rest = letters.as_str();
                    let is_word = rest.starts_with(|c: char| c.is_lowercase() || c == ' ');
                    let help = match first.filter(|_| is_word) {
                        Some(first) => format!("{}{rest}", first.collect::<String>()),
                        None => help.to_owned(),
                    };
                    format!("`{}` ({help})", value.get_name())
                }
                None => format!("`{}`", value.get_name()),
            })
            .collect();
        if !values.is_empty() {
            let _ = write!(text, " One of {}.", values.join(", "));
        }
        let default: Vec<String> = arg
            .get_default_values()
            .iter()
            .map(|value| value.to_string_lossy().into_owned())
            .collect();
        if !default.is_empty() {
            let _ = write!(text, " Default: `{}`.", default.join(","));
        }
        if let Some(variable) = arg.get_env() {
            let _ = write!(text, " Also `{}`.", variable.to_string_lossy());
        }
        cell(&text)
    }

    fn section(command: &Command, path: &str, page: &mut String) {
        let about = command.get_long_about().or_else(|| command.get_about());
        let about = about.map(ToString::to_string).unwrap_or_default();
        let _ = write!(page, "\n## {path}\n\n{}\n", about.trim());
        // Options of the feature `cluster` are in docs/scale.md: this page must not depend on how the program was built.
        let shown = |arg: &&Arg| {
            !arg.is_hide_set()
                && !matches!(arg.get_id().as_str(), "help" | "version")
                && !arg
                    .get_long()
                    .is_some_and(|long| long.starts_with("cluster"))
        };
        let args: Vec<&Arg> = command.get_arguments().filter(shown).collect();
        if !args.is_empty() {
            page.push_str("\n| argument | |\n| --- | --- |\n");
            for arg in args.iter().filter(|arg| arg.is_positional()) {
                let _ = writeln!(page, "| {} | {} |", written(arg), self::about(arg));
            }
            for arg in args.iter().filter(|arg| !arg.is_positional()) {
                let _ = writeln!(page, "| {} | {} |", written(arg), self::about(arg));
            }
        }
        if let Some(examples) = command.get_after_help() {
            let _ = write!(page, "\n```text\n{}\n```\n", examples.to_string().trim());
        }
        for own in command.get_subcommands() {
            if !own.is_hide_set() && !matches!(own.get_name(), "help" | "worker") {
                section(own, &format!("{path} {}", own.get_name()), page);
            }
        }
    }

    #[test]
    fn the_reference_says_what_the_command_line_takes() {
        let program = Args::command();
        let mut page = "# The command line\n\n\
            <!-- Written from the code by crates/cli/src/manual.rs; do not edit. -->\n\n\
            `crabwalk COMMAND --help` prints the same. Options of searches on many machines are in [One search, many \
            machines](scale.md).\n"
            .to_owned();
        section(&program, "crabwalk", &mut page);
        assert_fresh("docs/cli.md", &page);
    }
}
