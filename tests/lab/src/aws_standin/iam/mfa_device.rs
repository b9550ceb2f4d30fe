//! Virtual MFA devices: made, enabled for a user with two codes in a row, resynchronised, taken away again.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::user::describe;
use super::{Page, Subject};
use crate::aws_standin::clock;
use crate::aws_standin::constraint::{Check, Pattern};
use crate::aws_standin::error::ApiError;
use crate::aws_standin::id;
use crate::aws_standin::service::{Invocation, Outcome};
use crate::aws_standin::totp;
use crate::aws_standin::world::{Account, MfaDevice};
use crate::aws_standin::xml::Element;

/// "MFA devices in use by an IAM user: 8" (IAM User Guide, "IAM and AWS STS quotas").
const QUOTA: usize = 8;
/// Which steps the first of two codes may belong to, relative to now: a person types two, so the first is old.
const ENABLE_STEPS: RangeInclusive<i64> = -3..=1;
/// How far a device may have drifted for ResyncMFADevice to find it: a day.
const RESYNC_STEPS: RangeInclusive<i64> = -2880..=2880;
/// What stands in for a QR code: the signature every PNG begins with (PNG, 5.2), and nothing else.
const QR_CODE: &[u8] = b"\x89PNG\r\n\x1a\n";

/// CreateVirtualMFADevice.
pub fn create(call: &mut Invocation<'_>) -> Outcome {
    let mut check = Check::new(call.params);
    let name = check.required("VirtualMFADeviceName", 1..=226, Pattern::Name);
    let path = check.optional("Path", 1..=512, Pattern::Any).unwrap_or("/");
    check.finish()?;
    if !path.starts_with('/') || !path.ends_with('/') {
        return Err(ApiError::validation(
            "The specified value for path is invalid. It must begin and end with /",
        ));
    }
    let account = call
        .state
        .world
        .account(call.caller.principal.account())
        .ok_or_else(gone)?;
    let serial = format!("arn:{}:iam::{}:mfa{path}{name}", account.partition, account.id);
    call.caller
        .require(&call.state.world, "iam:CreateVirtualMFADevice", &serial)?;
    let device = MfaDevice {
        serial: serial.clone(),
        seed: id::mfa_seed(),
        digits: 6,
        user: None,
        enabled: None,
        drift_steps: 0,
        used_steps: BTreeSet::new(),
    };
    // Both are blobs in the API, so they travel in base64; the seed's content is base32 text.
    let answer = Element::node(
        "VirtualMFADevice",
        [
            Element::text("SerialNumber", &serial),
            Element::text("Base32StringSeed", STANDARD.encode(&device.seed)),
            Element::text("QRCodePNG", STANDARD.encode(QR_CODE)),
        ],
    );
    let account = home(call)?;
    if account.mfa_devices.iter().any(|known| known.serial == serial) {
        let words = "MFADevice entity at the same path and name already exists.";
        return Err(ApiError::new(409, "EntityAlreadyExists", words));
    }
    let made = (device.serial.clone(), device.seed.clone());
    account.mfa_devices.push(device);
    call.state.seeds.push(made);
    Ok(Some(vec![answer]))
}

/// EnableMFADevice.
pub fn enable(call: &mut Invocation<'_>) -> Outcome {
    let mut check = Check::new(call.params);
    let subject = Subject::read(call, &mut check)?;
    let codes = Codes::read(&mut check);
    check.finish()?;
    subject.admit(call, "iam:EnableMFADevice")?;
    let now = call.now;
    let present = totp::step_at(now);
    let account = home(call)?;
    let enabled = account
        .mfa_devices
        .iter()
        .filter(|d| d.user.as_deref() == Some(subject.name.as_str()))
        .count();
    let device = device(account, codes.serial)?;
    if device.user.is_some() {
        return Err(ApiError::new(
            409,
            "EntityAlreadyExists",
            "MFA Device is already in use.",
        ));
    }
    if enabled >= QUOTA {
        let words = format!("Cannot exceed quota for MFADevicesPerUser: {QUOTA}");
        return Err(ApiError::new(409, "LimitExceeded", words));
    }
    codes.take(device, present, ENABLE_STEPS)?;
    device.user = Some(subject.name);
    device.enabled = Some(now);
    Ok(None)
}

/// ResyncMFADevice.
pub fn resync(call: &mut Invocation<'_>) -> Outcome {
    let mut check = Check::new(call.params);
    let subject = Subject::read(call, &mut check)?;
    let codes = Codes::read(&mut check);
    check.finish()?;
    subject.admit(call, "iam:ResyncMFADevice")?;
    let present = totp::step_at(call.now);
    let device = of_user(home(call)?, codes.serial, &subject)?;
    let offset = codes.take(device, present, RESYNC_STEPS)?;
    // The second code is the present one on the device.
    device.drift_steps += offset + 1;
    Ok(None)
}

/// DeactivateMFADevice.
pub fn deactivate(call: &mut Invocation<'_>) -> Outcome {
    let mut check = Check::new(call.params);
    let subject = Subject::read(call, &mut check)?;
    let serial = check.required("SerialNumber", 9..=256, Pattern::Serial);
    check.finish()?;
    subject.admit(call, "iam:DeactivateMFADevice")?;
    let device = of_user(home(call)?, serial, &subject)?;
    device.user = None;
    device.enabled = None;
    Ok(None)
}

/// DeleteVirtualMFADevice.
pub fn delete(call: &mut Invocation<'_>) -> Outcome {
    let mut check = Check::new(call.params);
    let serial = check.required("SerialNumber", 9..=256, Pattern::Serial);
    check.finish()?;
    call.caller
        .require(&call.state.world, "iam:DeleteVirtualMFADevice", serial)?;
    let account = home(call)?;
    if device(account, serial)?.user.is_some() {
        let words = "MFA VirtualDevice in use. Must deactivate first.";
        return Err(ApiError::new(409, "DeleteConflict", words));
    }
    account.mfa_devices.retain(|device| device.serial != serial);
    Ok(None)
}

/// ListMFADevices: those of a user.
pub fn list(call: &mut Invocation<'_>) -> Outcome {
    let mut check = Check::new(call.params);
    let subject = Subject::read(call, &mut check)?;
    let page = Page::read(&mut check, call.params)?;
    check.finish()?;
    subject.admit(call, "iam:ListMFADevices")?;
    let (account, _) = subject.find(call)?;
    let own = account
        .mfa_devices
        .iter()
        .filter(|device| device.user.as_deref() == Some(subject.name.as_str()));
    let items = own.map(|device| {
        let mut item = vec![
            Element::text("UserName", &subject.name),
            Element::text("SerialNumber", &device.serial),
        ];
        item.extend(device.enabled.map(|at| Element::text("EnableDate", clock::iso8601(at))));
        item
    });
    Ok(Some(page.answer("MFADevices", items.collect())))
}

/// ListVirtualMFADevices: those of the account.
pub fn list_virtual(call: &mut Invocation<'_>) -> Outcome {
    let mut check = Check::new(call.params);
    let page = Page::read(&mut check, call.params)?;
    let wanted = match call.params.find("AssignmentStatus") {
        Some(_) => check.one_of("AssignmentStatus", &["Assigned", "Unassigned", "Any"]),
        // "If you do not specify an AssignmentStatus, the operation defaults to Any."
        None => "Any",
    };
    check.finish()?;
    let account = call
        .state
        .world
        .account(call.caller.principal.account())
        .ok_or_else(gone)?;
    let resource = format!("arn:{}:iam::{}:mfa/", account.partition, account.id);
    call.caller
        .require(&call.state.world, "iam:ListVirtualMFADevices", &resource)?;
    let shown = account.mfa_devices.iter().filter(|device| match wanted {
        "Assigned" => device.user.is_some(),
        "Unassigned" => device.user.is_none(),
        _ => true,
    });
    let items = shown.map(|device| {
        let mut item = vec![Element::text("SerialNumber", &device.serial)];
        let user = account
            .users
            .iter()
            .find(|user| Some(&user.name) == device.user.as_ref());
        item.extend(user.map(|user| Element::node("User", describe(account, user))));
        item.extend(device.enabled.map(|at| Element::text("EnableDate", clock::iso8601(at))));
        item
    });
    Ok(Some(page.answer("VirtualMFADevices", items.collect())))
}

/// Two codes in a row, as sent.
struct Codes<'a> {
    serial: &'a str,
    first: &'a str,
    second: &'a str,
}

impl<'a> Codes<'a> {
    fn read(check: &mut Check<'a>) -> Self {
        Self {
            serial: check.required("SerialNumber", 9..=256, Pattern::Serial),
            first: check.required("AuthenticationCode1", 6..=6, Pattern::Digits),
            second: check.required("AuthenticationCode2", 6..=6, Pattern::Digits),
        }
    }

    /// Finds the steps the two belong to and spends them; how far the first is from now.
    fn take(&self, device: &mut MfaDevice, present: u64, offsets: RangeInclusive<i64>) -> Result<i64, ApiError> {
        let step_at = |offset: i64| present.saturating_add_signed(offset);
        let fits = |offset: &i64| {
            let step = step_at(*offset);
            let codes = device.code(step) == self.first && device.code(step + 1) == self.second;
            codes && !device.is_spent(step) && !device.is_spent(step + 1)
        };
        let offset = offsets.into_iter().find(fits).ok_or_else(|| {
            ApiError::new(
                403,
                "InvalidAuthenticationCode",
                "Authentication code for device is not valid.",
            )
        })?;
        device.spend(step_at(offset));
        device.spend(step_at(offset) + 1);
        Ok(offset)
    }
}

/// The caller's account, to change.
fn home<'a>(call: &'a mut Invocation<'_>) -> Result<&'a mut Account, ApiError> {
    call.state
        .world
        .account_mut(call.caller.principal.account())
        .ok_or_else(gone)
}

fn device<'a>(account: &'a mut Account, serial: &str) -> Result<&'a mut MfaDevice, ApiError> {
    account
        .mfa_devices
        .iter_mut()
        .find(|device| device.serial == serial)
        .ok_or_else(|| {
            ApiError::no_such_entity(format!("VirtualMFADevice with serial number {serial} does not exist."))
        })
}

fn of_user<'a>(account: &'a mut Account, serial: &str, subject: &Subject) -> Result<&'a mut MfaDevice, ApiError> {
    let device = device(account, serial)?;
    if device.user.as_deref() != Some(subject.name.as_str()) {
        return Err(ApiError::no_such_entity("MFA Device invalid for user."));
    }
    Ok(device)
}

/// An account that vanished under a caller that was just known in it.
fn gone() -> ApiError {
    ApiError::invalid_client_token_id()
}
