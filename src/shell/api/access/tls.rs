//! TLS of an HTTP listener: from PEM files to a configuration of rustls.
//!
//! In: [`TlsFiles`]. Out: TLS 1.2 and 1.3 with the `ring` provider, HTTP/1.1 by ALPN. Where an
//! authority of clients is named, a certificate may be shown and is then verified; whether one must
//! be shown is for the gate, so that health is answered to everybody.

use crate::shell::config::{Origin, Readers, TlsFiles, Unready, read_file};
use std::path::PathBuf;
use std::sync::Arc;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::{self, PemObject};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{self, RootCertStore, ServerConfig};

/// Reads the files.
///
/// # Errors
/// A file cannot be read or does not hold what it should, or the key is not that of the
/// certificate.
pub fn server_config(files: &TlsFiles) -> Result<ServerConfig, Unready> {
    let provider = Arc::new(ring::default_provider());
    let chain = certificates(&files.certificate)?;
    let key = private_key(files)?;
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| refused(&files.certificate.1, &error))?;
    let builder = match &files.client_ca {
        None => builder.with_no_client_auth(),
        Some(authority) => {
            let mut roots = RootCertStore::empty();
            for certificate in certificates(authority)? {
                roots.add(certificate).map_err(|error| refused(&authority.1, &error))?;
            }
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
                .allow_unauthenticated()
                .build()
                .map_err(|error| unusable(&authority.1, &error.to_string()))?;
            builder.with_client_cert_verifier(verifier)
        }
    };
    let mut config = builder.with_single_cert(chain, key).map_err(|error| {
        let remedy = "name the key of the first certificate in the file";
        let message = format!("certificate and key do not fit together: {error}");
        files.key.origin.diagnostic(message, remedy)
    })?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

fn certificates(
    (path, origin): &(PathBuf, Origin),
) -> Result<Vec<CertificateDer<'static>>, Unready> {
    let bytes = read_file(path, origin, Readers::Any)?;
    let found: Result<Vec<_>, pem::Error> = CertificateDer::pem_slice_iter(&bytes).collect();
    match found {
        Ok(found) if !found.is_empty() => Ok(found),
        Ok(_) => Err(unusable(origin, "there is no certificate in it")),
        Err(error) => Err(unusable(origin, &error.to_string())),
    }
}

fn private_key(files: &TlsFiles) -> Result<PrivateKeyDer<'static>, Unready> {
    let bytes = files.key.read_bytes()?;
    PrivateKeyDer::from_pem_slice(&bytes).map_err(|error| {
        let message = format!("{} holds no private key: {error}", files.key.name());
        let remedy = "write it as PEM, without a passphrase: BEGIN PRIVATE KEY";
        files.key.origin.diagnostic(message, remedy).into()
    })
}

fn refused(origin: &Origin, error: &rustls::Error) -> Unready {
    unusable(origin, &error.to_string())
}

fn unusable(origin: &Origin, reason: &str) -> Unready {
    let remedy = "name a file of certificates as PEM: BEGIN CERTIFICATE";
    origin.diagnostic(format!("this file cannot be used: {reason}"), remedy).into()
}
