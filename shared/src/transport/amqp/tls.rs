//! Encrypts a connection, and knows whose signature the broker's certificate must have: the system's authorities, or, where
//! some are named, those alone.

use std::io;

use anyhow::ensure;
use lapin::tcp::AsyncTcpStream;
use tokio::net::TcpStream;
use tokio_util::compat::{Compat, TokioAsyncReadCompatExt as _};

/// A connection, encrypted or not.
pub(super) type Stream = AsyncTcpStream<Compat<TcpStream>>;

/// Who may sign the broker's certificate, as PEM. Nobody named: whom the system trusts.
#[derive(Clone, Default)]
pub(super) struct Authorities(Option<String>);

impl Authorities {
    /// Holds the text to having a certificate in it.
    pub(super) fn parse(pem: String) -> anyhow::Result<Self> {
        ensure!(
            certificates::count(&pem)? > 0,
            "it has no certificate: expected PEM, with BEGIN CERTIFICATE"
        );
        Ok(Self(Some(pem)))
    }
}

/// A plain connection.
pub(super) fn plain(stream: TcpStream) -> Stream {
    AsyncTcpStream::Plain(stream.compat())
}

/// The same, encrypted, to the host of this name.
pub(super) async fn encrypted(stream: Stream, host: &str, authorities: &Authorities) -> io::Result<Stream> {
    certificates::encrypt(stream, host, authorities.0.as_deref()).await
}

#[cfg(feature = "tls")]
mod certificates {
    use std::io;

    use anyhow::Context as _;
    use lapin::tcp::RustlsConnectorConfig;
    use rustls_pki_types::CertificateDer;
    use rustls_pki_types::pem::PemObject as _;

    use super::Stream;

    fn read(pem: &str) -> Result<Vec<CertificateDer<'static>>, rustls_pki_types::pem::Error> {
        CertificateDer::pem_slice_iter(pem.as_bytes()).collect()
    }

    pub(super) fn count(pem: &str) -> anyhow::Result<usize> {
        Ok(read(pem).context("it is no PEM")?.len())
    }

    pub(super) async fn encrypt(stream: Stream, host: &str, pem: Option<&str>) -> io::Result<Stream> {
        // The client's own way adds to what the system trusts, and whoever pins an authority trusts no other.
        let config = match pem {
            None => RustlsConnectorConfig::new_with_native_certs()?,
            Some(pem) => {
                let named = read(pem).map_err(|why| io::Error::new(io::ErrorKind::InvalidData, why))?;
                RustlsConnectorConfig::default().with_parsable_certificates(named)
            }
        };
        stream.into_rustls(&config.connector_with_no_client_auth()?, host).await
    }
}

/// Nothing asks for it: an address with `amqps` is refused before.
#[cfg(not(feature = "tls"))]
mod certificates {
    use std::io;

    use super::Stream;

    pub(super) fn count(pem: &str) -> anyhow::Result<usize> {
        Ok(pem.matches("-----BEGIN CERTIFICATE-----").count())
    }

    pub(super) async fn encrypt(_: Stream, _: &str, _: Option<&str>) -> io::Result<Stream> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_without_a_certificate_is_no_authority() {
        for pem in ["", "hello", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"] {
            let why = Authorities::parse(pem.to_owned()).err().unwrap();
            assert!(why.to_string().contains("no certificate"), "{why}");
        }
        let certificate = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        assert!(Authorities::parse(certificate.to_owned()).is_ok());
    }
}
