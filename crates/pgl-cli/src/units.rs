//! Sizes and durations as people write them: IEC units and humantime.

use std::time::Duration;

/// `1.5 GiB`; exact below 1 KiB.
pub fn bytes(count: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if count < 1024 {
        return format!("{count} B");
    }
    #[expect(clippy::cast_precision_loss, reason = "shown with one digit only")]
    let mut value = count as f64 / 1024.0;
    let mut unit = 0;
    while value >= 1023.95 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    format!("{value:.1} {}", UNITS[unit])
}

/// `3m 20s`; milliseconds below ten seconds.
pub fn duration(time: Duration) -> String {
    let rounded = if time < Duration::from_secs(10) {
        Duration::from_millis(u64::try_from(time.as_millis()).unwrap_or(u64::MAX))
    } else {
        Duration::from_secs(time.as_secs())
    };
    humantime::format_duration(rounded).to_string()
}

/// Reads `10MB`, `1.5GiB`, `4096`: decimal and binary units both mean powers of 1024, as in
/// PostgreSQL's settings.
pub fn parse_bytes(text: &str) -> Result<u64, String> {
    let text = text.trim();
    let at = text
        .find(|c: char| !(c.is_ascii_digit() || c == '.'))
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(at);
    let value: f64 = number
        .parse()
        .map_err(|_| format!("not a size: {text:?}; try 10MB"))?;
    let power = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => 0,
        "k" | "kb" | "kib" => 1,
        "m" | "mb" | "mib" => 2,
        "g" | "gb" | "gib" => 3,
        "t" | "tb" | "tib" => 4,
        other => {
            return Err(format!(
                "unknown unit {other:?} in {text:?}; use B, kB, MB, GB or TB"
            ));
        }
    };
    let bytes = value * 1024_f64.powi(power);
    if bytes.is_finite() && bytes < 1e18 {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "checked just above; the sign cannot be parsed"
        )]
        Ok(bytes.round() as u64)
    } else {
        Err(format!("{text:?} is too large"))
    }
}

/// Reads a size for a second, as [`parse_bytes`]; at zero nothing would ever end.
pub fn parse_rate(text: &str) -> Result<u64, String> {
    match parse_bytes(text)? {
        0 => Err("must be more than 0".to_owned()),
        rate => Ok(rate),
    }
}

/// The longest time limit that a server's settings take: 24 days, in whole days.
const LONGEST: Duration = Duration::from_secs(24 * 86_400);

/// Reads `30s`, `6h`, `1m 30s`; a bare number is seconds. What is longer than 24 days is 24 days.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let time = match text.trim().parse::<u64>() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => humantime::parse_duration(text)
            .map_err(|error| format!("not a duration: {error}; try 30s or 6h"))?,
    };
    Ok(time.min(LONGEST))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_both_ways() {
        assert_eq!(bytes(1023), "1023 B");
        assert_eq!(bytes(1536), "1.5 KiB");
        assert_eq!(bytes(u64::MAX), "16.0 EiB");
        assert_eq!(parse_bytes("10MB"), Ok(10 << 20));
        assert_eq!(parse_bytes("1.5 GiB"), Ok(3 << 29));
        assert_eq!(parse_bytes("0"), Ok(0));
        assert_eq!(parse_rate("1kB"), Ok(1024));
        assert!(parse_rate("0").is_err() && parse_rate("0.1").is_err());
        assert!(parse_bytes("ten").is_err());
        assert!(parse_bytes("1XB").is_err());
        assert!(parse_bytes("-1").is_err());
    }

    #[test]
    fn durations_both_ways() {
        assert_eq!(parse_duration("5"), Ok(Duration::from_secs(5)));
        assert_eq!(parse_duration("1m 30s"), Ok(Duration::from_secs(90)));
        assert!(parse_duration("soon").is_err());
        // Nothing that is added to it, and no setting of a server, overflows.
        assert_eq!(parse_duration("99999999h"), Ok(LONGEST));
        assert_eq!(parse_duration(&u64::MAX.to_string()), Ok(LONGEST));
        assert_eq!(duration(Duration::from_millis(1250)), "1s 250ms");
        assert_eq!(duration(Duration::from_micros(61_500_300)), "1m 1s");
    }
}
