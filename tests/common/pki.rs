//! Certificates of every kind that a server or a client may show, made by the openssl program.

#![expect(
    clippy::expect_used,
    reason = "in the helpers of a test a failed expectation is a failed test"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use anyhow::{Context, Result, bail};
use pgl_testkit::ClusterOptions;

/// The files, in a directory that lives as long as the test process.
pub(crate) struct Pki {
    dir: PathBuf,
}

impl Pki {
    /// Made once.
    pub(crate) fn get() -> &'static Self {
        static PKI: OnceLock<(tempfile::TempDir, Pki)> = OnceLock::new();
        &PKI.get_or_init(|| {
            let dir = tempfile::tempdir().expect("a directory for certificates");
            let pki = Self {
                dir: dir.path().to_owned(),
            };
            pki.make().expect("certificates");
            (dir, pki)
        })
        .1
    }

    pub(crate) fn path(&self, name: &str) -> String {
        self.dir.join(name).to_str().expect("UTF-8").to_owned()
    }

    pub(crate) fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.dir.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// A server that offers TLS with these files. Its data directory has the authority as `ca.crt`.
    pub(crate) fn options(&self, certificate: &str, key: &str) -> ClusterOptions {
        ClusterOptions::new()
            .set("ssl", "on")
            .set("ssl_cert_file", "test.crt")
            .set("ssl_key_file", "test.key")
            .set("ssl_ca_file", "ca.crt")
            .file("test.crt", self.read(certificate), 0o600)
            .file("test.key", self.read(key), 0o600)
            .file("ca.crt", self.read("ca.crt"), 0o600)
    }

    fn make(&self) -> Result<()> {
        for ca in ["ca", "other-ca"] {
            self.openssl(&format!(
                "req -new -x509 -days 30 -nodes -newkey rsa:2048 -subj /CN={ca} -keyout {ca}.key -out {ca}.crt"
            ))?;
        }
        // An intermediate authority, so that a chain has to be sent and checked.
        fs::write(self.dir.join("int.ext"), "basicConstraints=CA:true\n")?;
        self.signed("int", "/CN=intermediate", Some("int.ext"), "ca")?;
        fs::write(
            self.dir.join("san.ext"),
            "subjectAltName=DNS:localhost,DNS:*.db.example\n",
        )?;
        self.signed("server", "/CN=unused", Some("san.ext"), "int")?;
        let mut chain = self.read("server.crt");
        chain.extend(self.read("int.crt"));
        fs::write(self.dir.join("chain.crt"), chain)?;
        // The second recipe of the manual: version 1, common name only.
        self.signed("v1", "/CN=localhost", None, "ca")?;
        // The first recipe of the manual: self-signed, usable as its own authority.
        self.openssl(
            "req -new -x509 -days 30 -nodes -newkey rsa:2048 -subj /CN=localhost -keyout self.key -out self.crt",
        )?;
        self.signed("certy", "/CN=certy", None, "ca")?;
        self.signed("stranger", "/CN=certy", None, "other-ca")?;
        self.openssl(
            "pkcs8 -topk8 -in certy.key -out certy-locked.key -passout pass:canary-phrase",
        )?;
        self.revocation_lists()?;
        for key in ["certy.key", "certy-locked.key", "stranger.key"] {
            chmod(&self.dir.join(key), 0o600)?;
        }
        fs::copy(self.dir.join("certy.key"), self.dir.join("certy-open.key"))?;
        chmod(&self.dir.join("certy-open.key"), 0o644)
    }

    fn signed(&self, name: &str, subject: &str, ext: Option<&str>, ca: &str) -> Result<()> {
        self.openssl(&format!(
            "req -new -nodes -newkey rsa:2048 -subj {subject} -keyout {name}.key -out {name}.csr"
        ))?;
        let ext = ext.map_or(String::new(), |ext| format!("-extfile {ext}"));
        self.openssl(&format!(
            "x509 -req -days 30 -in {name}.csr -CA {ca}.crt -CAkey {ca}.key -CAcreateserial {ext} -out {name}.crt"
        ))
    }

    /// `clean.crl` revokes nothing, `revoked.crl` the certificate v1.
    fn revocation_lists(&self) -> Result<()> {
        fs::write(self.dir.join("index.txt"), "")?;
        fs::write(self.dir.join("crlnumber"), "01\n")?;
        fs::write(
            self.dir.join("ca.cnf"),
            "[ca]\ndefault_ca=d\n[d]\ndatabase=index.txt\ncrlnumber=crlnumber\ndefault_md=sha256\ndefault_crl_days=30\n",
        )?;
        let ca = "ca -config ca.cnf -cert ca.crt -keyfile ca.key";
        self.openssl(&format!("{ca} -gencrl -out clean.crl"))?;
        self.openssl(&format!("{ca} -revoke v1.crt"))?;
        self.openssl(&format!("{ca} -gencrl -out revoked.crl"))
    }

    fn openssl(&self, args: &str) -> Result<()> {
        let output = Command::new("openssl")
            .args(args.split_whitespace())
            .current_dir(&self.dir)
            .output()
            .context("the openssl program is needed")?;
        if !output.status.success() {
            bail!(
                "openssl {args}: {}",
                String::from_utf8_lossy(&output.stderr)
            );
        }
        Ok(())
    }
}

pub(crate) fn chmod(path: &Path, mode: u32) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    Ok(fs::set_permissions(path, fs::Permissions::from_mode(mode))?)
}
