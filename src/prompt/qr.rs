//! A text as a QR code for a terminal.

use crate::error::{Error, ErrorKind, Result};
use qrcode::QrCode;
use qrcode::render::unicode::Dense1x2;

/// In half blocks, light on the dark of most terminals; readers take the inverse too. The quiet zone is drawn.
pub(super) fn lines(text: &str) -> Result<String> {
    let code = QrCode::new(text.as_bytes())
        .map_err(|err| Error::new(ErrorKind::Other, format!("drawing a QR code: {err}")))?;
    Ok(code
        .render::<Dense1x2>()
        .dark_color(Dense1x2::Light)
        .light_color(Dense1x2::Dark)
        .quiet_zone(true)
        .build())
}
