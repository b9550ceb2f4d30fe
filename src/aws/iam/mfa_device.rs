//! A user's own MFA devices: virtual ones made, enabled with two codes in a row, resynchronised, taken away and deleted.

use super::{Iam, IamError, MOST_PAGES, NotDone, unsent};
use crate::aws::client::{Repeatable, incomplete};
use crate::credential::Credentials;
use crate::error::{Error, ErrorKind, Result};
use crate::secret::SecretText;
use jiff::Timestamp;
use zeroize::Zeroizing;

/// An MFA device as IAM lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedDevice {
    /// Its ARN, or the serial number of a hardware device.
    pub serial: String,
    /// Since when it is the user's; IAM says so of every device.
    pub enabled: Option<Timestamp>,
}

/// A virtual MFA device that nobody has yet.
pub struct NewDevice {
    /// Its ARN.
    pub serial: String,
    /// What its codes are made from, in base32 (RFC 4648, 6). IAM never tells it again.
    pub seed: SecretText,
}

impl Iam<'_> {
    /// ListMFADevices, all pages: the devices of the user who signs.
    pub fn list_mfa_devices(&mut self, credentials: &Credentials) -> Result<Vec<ListedDevice>, IamError> {
        let mut devices = Vec::new();
        let mut marker: Option<String> = None;
        for _ in 0..MOST_PAGES {
            let (client, iam, endpoint) = self.client(credentials).map_err(unsent)?;
            let page = client
                .call("ListMFADevices", endpoint, Repeatable::Yes, || {
                    iam.list_mfa_devices().set_marker(marker.clone()).send()
                })
                .map_err(|failure| IamError::of(&failure))?;
            devices.extend(page.mfa_devices.into_iter().map(|device| ListedDevice {
                enabled: Timestamp::from_second(device.enable_date.secs()).ok(),
                serial: device.serial_number,
            }));
            marker = page.marker.filter(|_| page.is_truncated);
            if marker.is_none() {
                return Ok(devices);
            }
        }
        Err(unsent(Error::new(
            ErrorKind::Network,
            format!("ListMFADevices: more than {MOST_PAGES} pages of devices of one user; that is not AWS"),
        )))
    }

    /// CreateVirtualMFADevice. `path` begins and ends with a slash. It is never made a second time while a first one may have
    /// had its effect.
    pub fn create_mfa_device(
        &mut self,
        credentials: &Credentials,
        path: &str,
        name: &str,
    ) -> Result<NewDevice, NotDone> {
        let (client, iam, endpoint) = self
            .client(credentials)
            .map_err(|error| NotDone::Refused(unsent(error)))?;
        let lacks = || NotDone::Doubtful(unsent(incomplete("CreateVirtualMFADevice")));
        let device = client
            .call("CreateVirtualMFADevice", endpoint, Repeatable::Creates, || {
                iam.create_virtual_mfa_device()
                    .path(path)
                    .virtual_mfa_device_name(name)
                    .send()
            })
            .map_err(|failure| NotDone::of(&failure))?
            .virtual_mfa_device
            .ok_or_else(lacks)?;
        // Taken over, not copied; the copies that the SDK made on the way, the QR code among them, can't be wiped.
        let seed = Zeroizing::new(device.base32_string_seed.ok_or_else(lacks)?.into_inner());
        let seed = std::str::from_utf8(&seed).map_err(|_| lacks())?.trim();
        if seed.is_empty() || device.serial_number.is_empty() {
            return Err(lacks());
        }
        Ok(NewDevice {
            seed: SecretText::copy_of(seed),
            serial: device.serial_number,
        })
    }

    /// EnableMFADevice: the device is the user's from here on. The codes are those of two time steps in a row, the older first.
    pub fn enable_mfa_device(
        &mut self,
        credentials: &Credentials,
        user: &str,
        serial: &str,
        [first, second]: &[SecretText; 2],
    ) -> Result<(), NotDone> {
        let (client, iam, endpoint) = self
            .client(credentials)
            .map_err(|error| NotDone::Refused(unsent(error)))?;
        client
            .call("EnableMFADevice", endpoint, Repeatable::Creates, || {
                iam.enable_mfa_device()
                    .user_name(user)
                    .serial_number(serial)
                    .authentication_code1(first.expose())
                    .authentication_code2(second.expose())
                    .send()
            })
            .map(|_| ())
            .map_err(|failure| NotDone::of(&failure))
    }

    /// ResyncMFADevice: AWS learns how far the device's clock is off. Codes as for [`Iam::enable_mfa_device`].
    pub fn resync_mfa_device(
        &mut self,
        credentials: &Credentials,
        user: &str,
        serial: &str,
        [first, second]: &[SecretText; 2],
    ) -> Result<(), IamError> {
        let (client, iam, endpoint) = self.client(credentials).map_err(unsent)?;
        client
            .call("ResyncMFADevice", endpoint, Repeatable::No, || {
                iam.resync_mfa_device()
                    .user_name(user)
                    .serial_number(serial)
                    .authentication_code1(first.expose())
                    .authentication_code2(second.expose())
                    .send()
            })
            .map(|_| ())
            .map_err(|failure| IamError::of(&failure))
    }

    /// DeactivateMFADevice: the device is nobody's. One that is not the user's (any more) is fine: an answer may have been lost.
    pub fn deactivate_mfa_device(
        &mut self,
        credentials: &Credentials,
        user: &str,
        serial: &str,
    ) -> Result<(), IamError> {
        let (client, iam, endpoint) = self.client(credentials).map_err(unsent)?;
        let outcome = client.call("DeactivateMFADevice", endpoint, Repeatable::Yes, || {
            iam.deactivate_mfa_device().user_name(user).serial_number(serial).send()
        });
        gone_is_fine(outcome.map(|_| ()).map_err(|failure| IamError::of(&failure)))
    }

    /// DeleteVirtualMFADevice. AWS refuses while the device is somebody's ([`IamError::is_in_use`]); one that is gone already
    /// is fine.
    pub fn delete_mfa_device(&mut self, credentials: &Credentials, serial: &str) -> Result<(), IamError> {
        let (client, iam, endpoint) = self.client(credentials).map_err(unsent)?;
        let outcome = client.call("DeleteVirtualMFADevice", endpoint, Repeatable::Yes, || {
            iam.delete_virtual_mfa_device().serial_number(serial).send()
        });
        gone_is_fine(outcome.map(|_| ()).map_err(|failure| IamError::of(&failure)))
    }
}

fn gone_is_fine(outcome: Result<(), IamError>) -> Result<(), IamError> {
    match outcome {
        Err(error) if error.is_missing() => Ok(()),
        outcome => outcome,
    }
}
