//! Programs by their paths.

/// The path of the program in a path or command, in lower case and without the volume; `None` for Windows' own
/// programs, which everybody runs, and for names without a folder.
pub(crate) fn program(command: &str) -> Option<String> {
    let lower = command.trim().to_lowercase();
    // Folder names contain spaces, with or without quotes around the path.
    let path = match lower.strip_prefix('"') {
        Some(rest) => rest.split('"').next().unwrap_or(rest),
        None => [
            ".exe", ".dll", ".bat", ".cmd", ".scr", ".com", ".ps1", ".vbs",
        ]
        .iter()
        .filter_map(|end| Some(lower.find(end)? + end.len()))
        .min()
        .and_then(|end| lower.get(..end))
        .unwrap_or(&lower),
    };
    let path = path.strip_prefix(r"\??\").unwrap_or(path);
    let path = if let Some(rest) = path.strip_prefix(r"\\") {
        // `\\host\share\file`.
        let (_, rest) = rest.split_once('\\')?;
        let (share, rest) = rest.split_once('\\')?;
        on_share(share, rest)
    } else if let Some(rest) = path.strip_prefix(r"\device\") {
        format!("\\{}", rest.split_once('\\')?.1)
    } else if let Some(rest) = ["%systemroot%", "%windir%", r"\systemroot"]
        .iter()
        .find_map(|root| path.strip_prefix(root))
    {
        format!(r"\windows{rest}")
    } else {
        path.split_once(':')
            .map_or(path, |(_, rest)| rest)
            .to_owned()
    };
    let own = [r"\windows\system32\", r"\windows\syswow64\"];
    let told = path.starts_with('\\') && !own.iter().any(|folder| path.starts_with(folder));
    (told
        && path
            .rsplit('\\')
            .next()
            .is_some_and(|file| file.contains('.')))
    .then_some(path)
}

/// The path of a file on an administrative share, likewise.
pub(crate) fn on_share(share: &str, file: &str) -> String {
    let share = share.trim_end_matches('\\').to_lowercase();
    let root = if share.ends_with("admin$") {
        r"\windows"
    } else {
        ""
    };
    format!("{root}\\{}", file.trim_start_matches('\\').to_lowercase())
}

#[cfg(test)]
mod tests {
    use super::program;

    #[test]
    fn one_file_has_one_path() {
        for (text, expected) in [
            (r"C:\t\x.exe", Some(r"\t\x.exe")),
            (r#""C:\My Tools\x.exe" -k"#, Some(r"\my tools\x.exe")),
            (r"C:\My Tools\x.exe -k", Some(r"\my tools\x.exe")),
            (r"%SystemRoot%\x.exe", Some(r"\windows\x.exe")),
            (r"\\127.0.0.1\ADMIN$\x.exe", Some(r"\windows\x.exe")),
            (r"\device\harddiskvolume2\t\x.exe", Some(r"\t\x.exe")),
            (r"C:\Windows\System32\cmd.exe /c x", None),
            ("System", None),
        ] {
            assert_eq!(program(text).as_deref(), expected, "{text}");
        }
    }
}
