//! `SerialNumber` and `TokenCode`: what STS makes of a code.
//!
//! A code is spent when it is found right, whatever becomes of the call afterwards: AWS takes none twice (IAM User
//! Guide, "Troubleshoot AWS STS": a code can be used once).

use crate::aws_standin::constraint::{Check, Pattern};
use crate::aws_standin::error::ApiError;
use crate::aws_standin::service::Invocation;
use crate::aws_standin::session::{Mfa, Principal};

/// The two parameters, as sent.
#[derive(Clone, Copy)]
pub struct Claimed<'a> {
    serial: Option<&'a str>,
    code: Option<&'a str>,
}

impl<'a> Claimed<'a> {
    /// Reads and checks their shapes.
    pub fn read(check: &mut Check<'a>) -> Self {
        Self {
            serial: check.optional("SerialNumber", 9..=256, Pattern::Serial),
            code: check.optional("TokenCode", 6..=6, Pattern::Digits),
        }
    }

    /// Takes the code, if there is one. The device has to be enabled for the very user who calls.
    pub fn take(self, call: &mut Invocation<'_>) -> Result<Mfa, ApiError> {
        let (serial, code) = match (self.serial, self.code) {
            (None, None) => return Ok(Mfa::Absent),
            (Some(serial), Some(code)) => (serial, code),
            (Some(_), None) | (None, Some(_)) => {
                return Err(ApiError::access_denied(
                    "MultiFactorAuthentication failed, must provide both MFA serial number and one time pass code.",
                ));
            }
        };
        let unknown = || {
            // Two spaces: AWS has them.
            ApiError::access_denied(
                "MultiFactorAuthentication failed, unable to validate MFA code.  Please verify your MFA serial number \
                 is valid and associated with this user.",
            )
        };
        let Principal::User { account, name } = &call.caller.principal else {
            return Err(unknown());
        };
        let account = call.state.world.account_mut(account).ok_or_else(unknown)?;
        let device = account
            .mfa_devices
            .iter_mut()
            .find(|device| device.serial == serial && device.user.as_deref() == Some(name.as_str()))
            .ok_or_else(unknown)?;
        match device.take(code, call.now) {
            Some(_) => Ok(Mfa::Present),
            // The space at the end is AWS's.
            None => Err(ApiError::access_denied(
                "MultiFactorAuthentication failed with invalid MFA one time pass code. ",
            )),
        }
    }
}
