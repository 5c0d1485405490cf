//! One file over HTTP: by way of the host's proxy, and from where a broken
//! connection left off.

use crate::error::{BuildError, Result};
use ashlar_sandbox::{At, Cancel, Proxies, SandboxError};
use reqwest::blocking::Client as Http;
use reqwest::header::RANGE;
use reqwest::{NoProxy, Proxy, StatusCode};
use std::error::Error;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::time::Duration;

/// A connection that says nothing for so long is given up.
const PATIENCE: Duration = Duration::from_secs(30);

/// The same for one that is not there yet.
const CONNECTING: Duration = Duration::from_secs(10);

/// How often one place is asked when the connection fails.
const TRIES: usize = 3;

/// Why a place did not give a file.
#[derive(Debug)]
pub(crate) enum Refused {
    /// It answered, and does not have it.
    Not(String),
    /// It did not answer as it should.
    Unreachable(String),
    /// There is nobody at all.
    Dead(String),
    /// This host is the reason, and every other place would end alike.
    Stop(SandboxError),
}

/// Fetches files.
pub(crate) struct Client {
    /// Or why this host cannot: it has no certificates of authorities, as a bare system
    /// has none. Who has every file at hand never hears of it.
    http: std::result::Result<Http, String>,
}

impl Client {
    /// One that goes through these proxies.
    pub(crate) fn new(proxies: &Proxies) -> Result<Self> {
        // It fails only when there is one already, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let except = proxies.except.as_deref().and_then(NoProxy::from_string);
        let mut builder = Http::builder().timeout(PATIENCE).connect_timeout(CONNECTING).no_proxy();
        let wrong = |error: reqwest::Error| BuildError::Unexpected {
            // Not the address: it may hold a password.
            what: format!("the proxy of this host cannot be used: {}", reason(error)),
        };
        if let Some(http) = &proxies.http {
            builder = builder.proxy(Proxy::http(http).map_err(wrong)?.no_proxy(except.clone()));
        }
        if let Some(https) = &proxies.https {
            builder = builder.proxy(Proxy::https(https).map_err(wrong)?.no_proxy(except));
        }
        Ok(Self { http: builder.build().map_err(reason) })
    }

    /// Writes what is at `url` into `file`, at most `most` bytes and one more.
    /// `arrived` is told of each piece.
    pub(crate) fn get(
        &self,
        url: &str,
        most: u64,
        file: &mut File,
        cancel: &Cancel,
        arrived: &dyn Fn(u64),
    ) -> std::result::Result<(), Refused> {
        let mut last = Ok(());
        for _ in 0..TRIES {
            cancel.check().map_err(Refused::Stop)?;
            last = self.once(url, most, file, cancel, arrived);
            if !matches!(last, Err(Refused::Unreachable(_) | Refused::Dead(_))) {
                break;
            }
        }
        last
    }

    fn once(
        &self,
        url: &str,
        most: u64,
        file: &mut File,
        cancel: &Cancel,
        arrived: &dyn Fn(u64),
    ) -> std::result::Result<(), Refused> {
        let http = self
            .http
            .as_ref()
            .map_err(|why| Refused::Dead(format!("{why}: install ca-certificates on this host")))?;
        let there = file.seek(SeekFrom::End(0)).at("read", "a download").map_err(Refused::Stop)?;
        let mut request = http.get(url);
        if there > 0 && there < most {
            request = request.header(RANGE, format!("bytes={there}-"));
        }
        let mut response = request.send().map_err(|error| {
            let dead = error.is_connect();
            let why = reason(error);
            if dead { Refused::Dead(why) } else { Refused::Unreachable(why) }
        })?;
        let status = response.status();
        // A place that gives no parts begins anew.
        if status != StatusCode::PARTIAL_CONTENT {
            file.set_len(0)
                .and_then(|()| file.rewind())
                .at("written", "a download")
                .map_err(Refused::Stop)?;
        }
        match status {
            StatusCode::OK | StatusCode::PARTIAL_CONTENT => {}
            StatusCode::PROXY_AUTHENTICATION_REQUIRED => {
                return Err(Refused::Unreachable("the proxy wants a name and a password".into()));
            }
            _ if status.is_server_error()
                || status == StatusCode::TOO_MANY_REQUESTS
                || status == StatusCode::RANGE_NOT_SATISFIABLE =>
            {
                return Err(Refused::Unreachable(status.to_string()));
            }
            _ => return Err(Refused::Not(status.to_string())),
        }
        let mut written = file.stream_position().unwrap_or(0);
        let mut piece = vec![0; 64 << 10];
        // One byte too many is enough to know that it is another file.
        while written <= most {
            cancel.check().map_err(Refused::Stop)?;
            let read = match response.read(&mut piece) {
                Ok(0) => break,
                Ok(read) => read,
                Err(error) => return Err(Refused::Unreachable(reason(error))),
            };
            let piece = piece.get(..read).unwrap_or_default();
            file.write_all(piece).at("written", "a download").map_err(Refused::Stop)?;
            written += read as u64;
            arrived(read as u64);
        }
        Ok(())
    }
}

/// The innermost reason; the outer ones repeat the address, and a proxy's may
/// hold a password.
fn reason(error: impl Error + 'static) -> String {
    let mut inner: &dyn Error = &error;
    while let Some(source) = inner.source() {
        inner = source;
    }
    inner.to_string()
}
