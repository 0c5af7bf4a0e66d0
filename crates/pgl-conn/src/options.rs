//! The `options` keyword: command-line switches for the server process, `-c name=value`.

/// `existing` followed by a `-c name=value` for each setting. The server takes the last of equal
/// names.
pub(crate) fn append(existing: Option<&str>, settings: &[(&str, &str)]) -> String {
    let mut out = existing.unwrap_or("").trim_end().to_owned();
    for (name, value) in settings {
        if !out.is_empty() {
            out.push(' ');
        }
        out.push_str("-c ");
        out.push_str(name);
        out.push('=');
        out.push_str(&escape(value));
    }
    out
}

/// The value that the options give a setting, the last where there are several: `-c name=value`,
/// `-cname=value` or `--name=value`, the name in any case and with dashes for underscores.
pub(crate) fn value(options: &str, name: &str) -> Option<String> {
    let plain = |text: &str| text.replace('-', "_").to_ascii_lowercase();
    let mut found = None;
    let mut words = words(options).into_iter();
    while let Some(word) = words.next() {
        let assignment = if word == "-c" {
            words.next()
        } else {
            word.strip_prefix("--")
                .or_else(|| word.strip_prefix("-c"))
                .map(str::to_owned)
        };
        if let Some((key, value)) = assignment.as_deref().and_then(|text| text.split_once('='))
            && plain(key) == plain(name)
        {
            found = Some(value.to_owned());
        }
    }
    found
}

/// Splits as the server does.
fn words(options: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut chars = options.chars();
    while let Some(c) = chars.next() {
        if c.is_ascii_whitespace() || c == '\x0b' {
            words.extend(word.take());
        } else {
            let next = if c == '\\' { chars.next() } else { Some(c) };
            word.get_or_insert_default().extend(next);
        }
    }
    words.extend(word);
    words
}

/// The server splits the text at white space; a backslash takes the next character as it is.
fn escape(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    for c in value.chars() {
        if c == '\\' || c.is_ascii_whitespace() || c == '\x0b' {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_read_as_the_server_reads_them() {
        let options = r"-c DateStyle=ISO,\ YMD  -cextra_float_digits=1 --interval-style=postgres -c extra_float_digits=3";
        assert_eq!(value(options, "datestyle").as_deref(), Some("ISO, YMD"));
        assert_eq!(value(options, "extra_float_digits").as_deref(), Some("3"));
        assert_eq!(
            value(options, "interval_style").as_deref(),
            Some("postgres")
        );
        assert_eq!(value(options, "work_mem"), None);
        assert_eq!(value("-c", "x"), None);
    }

    #[test]
    fn appended_behind_the_users_own() {
        assert_eq!(append(None, &[("a", "1")]), "-c a=1");
        assert_eq!(
            append(Some("-c x=y "), &[("DateStyle", "ISO, YMD"), ("b", "\\")]),
            r"-c x=y -c DateStyle=ISO,\ YMD -c b=\\"
        );
        assert_eq!(append(Some(""), &[]), "");
    }
}
