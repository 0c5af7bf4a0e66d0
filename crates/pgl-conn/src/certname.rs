//! Whether a server certificate is for the host that was asked for, by libpq's rules: the
//! alternative names decide when there are any of a kind that can match, else the common name.
//! `*` stands for the whole leftmost label only.

use std::net::IpAddr;

use openssl::nid::Nid;
use openssl::x509::X509Ref;

/// The names in a certificate.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Names {
    pub(crate) dns: Vec<String>,
    pub(crate) addresses: Vec<IpAddr>,
    pub(crate) common: Option<String>,
}

impl Names {
    /// For people.
    pub(crate) fn show(&self) -> String {
        let mut all: Vec<String> = self.dns.iter().map(|name| format!("{name:?}")).collect();
        all.extend(self.addresses.iter().map(|addr| format!("\"{addr}\"")));
        if all.is_empty() {
            all.extend(self.common.iter().map(|name| format!("{name:?}")));
        }
        if all.is_empty() {
            "no name at all".to_owned()
        } else {
            all.join(", ")
        }
    }
}

pub(crate) fn names(certificate: &X509Ref) -> Names {
    let mut names = Names {
        common: common_name(certificate),
        ..Names::default()
    };
    for name in certificate.subject_alt_names().into_iter().flatten() {
        if let Some(dns) = name.dnsname() {
            names.dns.push(dns.to_owned());
        } else if let Some(bytes) = name.ipaddress() {
            let v4 = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
            let v6 = <[u8; 16]>::try_from(bytes).map(IpAddr::from);
            names.addresses.extend(v4.or(v6));
        }
    }
    names
}

fn common_name(certificate: &X509Ref) -> Option<String> {
    let entry = certificate
        .subject_name()
        .entries_by_nid(Nid::COMMONNAME)
        .next()?;
    Some(entry.data().to_string().ok()?.to_string())
}

/// The subject, to say which certificate of a chain is meant.
pub(crate) fn subject(certificate: &X509Ref) -> String {
    match common_name(certificate) {
        Some(name) => format!("{name:?}"),
        None => "no name".to_owned(),
    }
}

/// Whether the certificate with these names is for `host`.
pub(crate) fn matches(names: &Names, host: &str) -> bool {
    let address = host.parse::<IpAddr>().ok();
    if names.dns.iter().any(|name| name_matches(name, host))
        || address.is_some_and(|address| names.addresses.contains(&address))
    {
        return true;
    }
    // The common name is not looked at when the certificate names hosts of this kind elsewhere.
    let named = if address.is_some() {
        !names.addresses.is_empty()
    } else {
        !names.dns.is_empty()
    };
    !named
        && names
            .common
            .as_ref()
            .is_some_and(|name| name_matches(name, host))
}

fn name_matches(pattern: &str, host: &str) -> bool {
    // A NUL inside a name was once used to fool C programs.
    if pattern.contains('\0') {
        return false;
    }
    if pattern.eq_ignore_ascii_case(host) {
        return true;
    }
    match (pattern.strip_prefix("*."), host.split_once('.')) {
        (Some(suffix), Some((label, rest))) => {
            !label.is_empty() && !suffix.is_empty() && suffix.eq_ignore_ascii_case(rest)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(dns: &[&str], addresses: &[&str], common: &str) -> Names {
        Names {
            dns: dns.iter().map(|name| (*name).to_owned()).collect(),
            addresses: addresses.iter().map(|addr| addr.parse().unwrap()).collect(),
            common: (!common.is_empty()).then(|| common.to_owned()),
        }
    }

    #[test]
    fn libpq_rules() {
        let cases = [
            (of(&[], &[], "db.example"), "DB.example", true),
            (of(&[], &[], "db.example"), "db2.example", false),
            (of(&["db.example"], &[], "other"), "db.example", true),
            (of(&["other"], &[], "db.example"), "db.example", false),
            (of(&[], &["10.0.0.1"], "db.example"), "db.example", true),
            (of(&[], &["10.0.0.1"], "10.0.0.2"), "10.0.0.2", false),
            (of(&[], &["10.0.0.1"], ""), "10.0.0.1", true),
            (of(&[], &["::1"], ""), "0:0::1", true),
            (of(&[], &[], "10.0.0.1"), "10.0.0.1", true),
            (of(&["*.example.org"], &[], ""), "a.example.org", true),
            (of(&["*.example.org"], &[], ""), "a.b.example.org", false),
            (of(&["*.example.org"], &[], ""), ".example.org", false),
            // OpenSSL alone would refuse this one; libpq does not.
            (of(&["*.org"], &[], ""), "example.org", true),
            (of(&["db"], &[], "10.0.0.1"), "10.0.0.1", true),
            (of(&["a*.example.org"], &[], ""), "ab.example.org", false),
            (of(&[], &[], ""), "x", false),
        ];
        for (names, host, expected) in cases {
            assert_eq!(matches(&names, host), expected, "{names:?} {host}");
        }
    }
}
