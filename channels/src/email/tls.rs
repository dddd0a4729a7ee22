//! TLS to mail servers, checked against the public roots and the merchant's own.

use std::{path::Path, sync::Arc};

use lettre::transport::smtp::client::{Certificate, TlsParameters};
use tokio_rustls::{
    TlsConnector,
    rustls::{
        ClientConfig, RootCertStore,
        crypto::ring,
        pki_types::{CertificateDer, ServerName, pem::PemObject},
    },
};

use super::NAME;
use crate::InvalidSetting;

/// For connections that lettre encrypts once the server has said that it can.
pub(super) fn for_starttls(host: &str, ca: Option<&Path>) -> Result<TlsParameters, InvalidSetting> {
    let mut parameters = TlsParameters::builder(host.to_owned());
    if let Some(path) = ca {
        for certificate in read_certificates("smtp.ca_path", path)? {
            let certificate = Certificate::from_der(certificate.to_vec());
            let certificate =
                certificate.map_err(|error| unusable("smtp.ca_path", path, &error))?;
            parameters = parameters.add_root_certificate(certificate);
        }
    }
    parameters
        .build()
        .map_err(|error| wrong_host("smtp.host", host, &error))
}

/// For connections that are encrypted here; `section` of the channel's settings (`smtp`, `imap`) is named in errors.
pub(super) fn connector(
    section: &str,
    host: &str,
    ca: Option<&Path>,
) -> Result<(TlsConnector, ServerName<'static>), InvalidSetting> {
    let ca_field = format!("{section}.ca_path");
    let host_field = format!("{section}.host");
    let mut roots = RootCertStore::empty();
    roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    if let Some(path) = ca {
        for certificate in read_certificates(&ca_field, path)? {
            roots
                .add(certificate)
                .map_err(|error| unusable(&ca_field, path, &error))?;
        }
    }
    let name = ServerName::try_from(host.to_owned())
        .map_err(|error| wrong_host(&host_field, host, &error))?;
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| wrong_host(&host_field, host, &error))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok((TlsConnector::from(Arc::new(config)), name))
}

fn read_certificates(
    field: &str,
    path: &Path,
) -> Result<Vec<CertificateDer<'static>>, InvalidSetting> {
    let text = std::fs::read(path).map_err(|error| unusable(field, path, &error))?;
    let certificates: Vec<_> = CertificateDer::pem_slice_iter(&text)
        .collect::<Result<_, _>>()
        .map_err(|error| unusable(field, path, &error))?;
    match certificates.is_empty() {
        true => Err(unusable(field, path, &"there is none in it")),
        false => Ok(certificates),
    }
}

fn unusable(field: &str, path: &Path, error: &impl std::fmt::Display) -> InvalidSetting {
    InvalidSetting::new(
        NAME,
        field,
        format!(
            "no certificates can be read from `{}` ({error})",
            path.display()
        ),
        "name a file with the certificates in PEM, or leave it out",
    )
}

fn wrong_host(field: &str, host: &str, error: &impl std::fmt::Display) -> InvalidSetting {
    InvalidSetting::new(
        NAME,
        field,
        format!("`{host}` cannot be checked against a certificate ({error})"),
        "write the server's host name",
    )
}
