//! The files that the pages are shown with. Each has its checksum in its address, so that a browser may keep it.

use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use axum::response::{IntoResponse, Response};

/// A file.
#[derive(Debug)]
pub(super) struct Asset {
    pub(super) name: &'static str,
    kind: &'static str,
    text: &'static str,
}

pub(super) const STYLE: Asset =
    Asset { name: "page.css", kind: "text/css; charset=utf-8", text: crate::plot::STYLE };
pub(super) const SCRIPT: Asset =
    Asset { name: "page.js", kind: "text/javascript; charset=utf-8", text: include_str!("assets/page.js") };
pub(super) const ICON: Asset =
    Asset { name: "icon.svg", kind: "image/svg+xml", text: include_str!("assets/icon.svg") };

impl Asset {
    /// Where the pages find it.
    pub(super) fn path(&self) -> String {
        format!("./assets/{}?{:08x}", self.name, crc32fast::hash(self.text.as_bytes()))
    }

    pub(super) fn answer(&self) -> Response {
        let headers = [
            (CONTENT_TYPE, self.kind),
            (CACHE_CONTROL, "max-age=31536000, immutable"),
            (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        ];
        (headers, self.text).into_response()
    }
}
