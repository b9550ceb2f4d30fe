//! Tries the token room by hand or from tests: what it sees, what it makes, what it opens.
//!
//! token-probe [--trace] COMMAND
//!   list
//!   state SERIAL SLOT|all            what a slot holds
//!   management SERIAL                what management key it wants
//!   enroll SERIAL SLOT|free PIN [touch=always] [pin=once] [key=factory|protected|HEX] [stop=generated]
//!   certify SERIAL SLOT PIN          goes on after stop=generated
//!   adopt SERIAL SLOT
//!   open SLOT POINT PIN|- [tries=N]  ECDH, compared with software; N touches are waited for
//!   sign SLOT POINT PIN|-
//!   attest SERIAL SLOT
//!   hold exclusive|transaction|shared|reset|unpower MS    what another program may do to us
//!   verified PIN MS                  another program that verifies the PIN and stays connected
//!   pin SERIAL                       the PIN's state
//!
//! Prints `key: value` lines; an error goes to stderr as its Debug form, exit code 1.

use std::{
    env,
    error::Error as StdError,
    process::ExitCode,
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};
use tapvault::token::{
    Error, KeyOrigin, PinPolicy, Point, Policies, Slot, TouchPolicy,
    admin::{Admin, CertificateText, ManagementKey},
    attestation::Attestation,
    card::{Card, ReaderName, ReaderState, Readers},
    discover::{self, Holder, Seen},
    piv::{Piv, pin_needed},
};

type Anything<T> = Result<T, Box<dyn StdError>>;

const WAIT: Duration = Duration::from_secs(2);

fn main() -> ExitCode {
    let mut words: Vec<String> = env::args().skip(1).collect();
    let trace = words.first().is_some_and(|word| word == "--trace");
    if trace {
        words.remove(0);
    }
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match run(&words, trace) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error} | {error:?}");
            ExitCode::FAILURE
        }
    }
}

fn run(words: &[&str], trace: bool) -> Anything<()> {
    let mut readers = Readers::open()?;
    if trace {
        readers = readers.observed(std::sync::Arc::new(|line| eprintln!("apdu: {line}")));
    }
    let options = Options(words);
    match words {
        ["list"] => list(&readers),
        ["state", serial, "all"] => {
            let mut admin = admin(&readers, serial)?;
            for slot in Slot::all_retired() {
                println!("{slot}: {:?}", admin.slot_state(slot)?);
            }
            println!("first free: {}", admin.first_free_slot()?);
            Ok(())
        }
        ["state", serial, slot] => {
            println!("state: {:?}", admin(&readers, serial)?.slot_state(slot.parse()?)?);
            Ok(())
        }
        ["management", serial] => {
            println!("management: {:?}", admin(&readers, serial)?.management_key()?);
            Ok(())
        }
        ["pin", serial] => {
            let mut admin = admin(&readers, serial)?;
            println!("status: {:?}", admin.pin_status()?);
            println!("metadata: {:?}", admin.pin_metadata());
            Ok(())
        }
        ["enroll", serial, slot, pin, ..] => enroll(&mut admin(&readers, serial)?, slot, pin, &options),
        ["certify", serial, slot, pin, ..] => {
            let mut admin = admin(&readers, serial)?;
            let (slot, key) = (slot.parse()?, admin.adopt(slot.parse()?)?.key);
            admin.authenticate(ManagementKey::Factory)?;
            certify(&mut admin, slot, &key.public_key, key.policies, pin)
        }
        ["adopt", serial, slot] => {
            println!("adopted: {:?}", admin(&readers, serial)?.adopt(slot.parse()?)?);
            Ok(())
        }
        ["open", slot, point, pin, ..] => open(&readers, slot.parse()?, &parse_point(point)?, pin, &options),
        ["sign", slot, point, pin, ..] => sign(&readers, slot.parse()?, &parse_point(point)?, pin),
        ["attest", serial, slot] => attest(&readers, serial, slot.parse()?),
        ["hold", how, time] => hold(&readers, how, millis(time)?),
        ["verified", pin, time] => {
            let mut card = only_card(&readers)?;
            let mut transaction = card.transaction(WAIT)?;
            let mut piv = Piv::select(&mut transaction)?;
            piv.verify(pin.as_bytes())?;
            // Paused and forgotten: this program leaves the PIN verified, as others do.
            let _verified = piv.pause();
            drop(transaction);
            println!("verified: yes");
            thread::sleep(millis(time)?);
            Ok(())
        }
        _ => Err("not understood, see the head of token-probe.rs".into()),
    }
}

fn list(readers: &Readers) -> Anything<()> {
    for reader in readers.list()? {
        println!("reader: {} {:?}", reader.name, reader.state);
    }
    for sighting in discover::find(readers, WAIT)? {
        match sighting.what {
            Seen::Token { serial, firmware, piv } => println!("token: {serial} firmware {firmware} piv {piv}"),
            Seen::Busy => println!("busy: {}", sighting.reader),
            Seen::Foreign => println!("foreign: {}", sighting.reader),
        }
    }
    Ok(())
}

fn enroll(admin: &mut Admin, slot: &str, pin: &str, options: &Options) -> Anything<()> {
    let slot = match slot {
        "free" => admin.first_free_slot()?,
        named => named.parse()?,
    };
    let policies = Policies {
        pin: match options.get("pin") {
            None | Some("once") => PinPolicy::Once,
            Some("never") => PinPolicy::Never,
            Some("always") => PinPolicy::Always,
            Some(other) => return Err(other.into()),
        },
        touch: match options.get("touch") {
            None | Some("always") => TouchPolicy::Always,
            Some("never") => TouchPolicy::Never,
            Some("cached") => TouchPolicy::Cached,
            Some(other) => return Err(other.into()),
        },
    };
    println!("management: {:?}", admin.management_key()?);
    match options.get("key") {
        None | Some("factory") => admin.authenticate(ManagementKey::Factory)?,
        Some("protected") => admin.authenticate(ManagementKey::PinProtected(pin.as_bytes()))?,
        Some(hex) => admin.authenticate(ManagementKey::Bytes(&from_hex(hex)?))?,
    }
    let key = admin.generate(slot, policies)?;
    println!("slot: {:02x}", slot.byte());
    println!("point: {}", to_hex(&key.compressed()));
    if options.get("stop") == Some("generated") {
        return Ok(());
    }
    certify(admin, slot, &key, policies, pin)
}

fn certify(admin: &mut Admin, slot: Slot, key: &Point, policies: Policies, pin: &str) -> Anything<()> {
    let name = format!("tapvault {}", admin.serial());
    let text = CertificateText {
        name: &name,
        made_by: "token-probe",
        made_at: SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs(),
    };
    println!("touch: to certify");
    let certificate = admin.self_sign(slot, key, policies, &text, pin_bytes(pin))?;
    admin.write_certificate(slot, &certificate)?;
    println!("certified: {}", to_hex(&key.compressed()));
    Ok(())
}

/// The opening as `wrap` will do it: six APDUs, and no transaction while a person types.
fn open(readers: &Readers, slot: Slot, key: &Point, pin: &str, options: &Options) -> Anything<()> {
    let ephemeral = p256::SecretKey::random(&mut rand::rngs::OsRng);
    let peer = Point::from_sec1(&ephemeral.public_key().to_sec1_bytes())?;
    let tries = options.get("tries").map_or(Ok(1), str::parse)?;
    let secret = use_key(readers, slot, key, pin, |piv, holder| {
        let mut result = piv.ecdh(slot, holder.policies, &peer);
        for _ in 1..tries {
            let Err(Error::NoTouch { waited }) = result else { break };
            println!("no touch: {} ms", waited.as_millis());
            result = piv.ecdh(slot, holder.policies, &peer);
        }
        result
    })?;
    let public = p256::PublicKey::from_sec1_bytes(key.uncompressed())?;
    let expected = p256::ecdh::diffie_hellman(ephemeral.to_nonzero_scalar(), public.as_affine());
    let same = expected.raw_secret_bytes()[..] == secret[..];
    println!("ecdh: {}", if same { "equal" } else { "DIFFERENT" });
    Ok(())
}

fn sign(readers: &Readers, slot: Slot, key: &Point, pin: &str) -> Anything<()> {
    let digest = [0x5a; 32];
    let signature = use_key(readers, slot, key, pin, |piv, holder| {
        piv.sign(slot, holder.policies, &digest)
    })?;
    println!(
        "signature: {}",
        if key.verifies(&digest, &signature) {
            "good"
        } else {
            "BAD"
        }
    );
    Ok(())
}

fn use_key<R>(
    readers: &Readers,
    slot: Slot,
    key: &Point,
    pin: &str,
    work: impl FnOnce(&mut Piv<'_>, &Details) -> tapvault::token::Result<R>,
) -> Anything<R> {
    let search = discover::find_key(readers, slot, key, WAIT)?;
    for reader in &search.busy {
        println!("busy: {reader}");
    }
    let Some(Holder {
        mut card,
        selected,
        policies,
        origin,
        evidence,
        pin: seen,
    }) = search.holder
    else {
        return Err(Box::new(Error::NoToken));
    };
    let details = Details { policies };
    println!(
        "key: {evidence:?} {} {policies:?}",
        origin.map_or("origin unknown", origin_name)
    );
    // A key that needs no PIN has none to be asked about.
    if !seen.is_some_and(|status| pin_needed(policies.pin, status)) {
        let mut transaction = card.transaction(WAIT)?;
        let mut piv = Piv::resume(&mut transaction, selected);
        let result = work(&mut piv, &details)?;
        piv.drop_pin()?;
        return Ok(result);
    }
    if let Ok(time) = env::var("PROBE_TYPING_MS") {
        println!("typing: now");
        thread::sleep(millis(&time)?);
    }
    let mut transaction = card.transaction(WAIT)?;
    let mut piv = Piv::resume(&mut transaction, selected);
    piv.verify(pin_bytes(pin).ok_or(Error::PinRequired)?)?;
    let result = work(&mut piv, &details)?;
    piv.drop_pin()?;
    Ok(result)
}

/// What is known of the key when it is used.
struct Details {
    policies: Policies,
}

fn origin_name(origin: KeyOrigin) -> &'static str {
    match origin {
        KeyOrigin::Generated => "generated",
        KeyOrigin::Imported => "imported",
    }
}

fn attest(readers: &Readers, serial: &str, slot: Slot) -> Anything<()> {
    let mut card = readers.connect(&reader_of(readers, serial)?, WAIT)?;
    let mut transaction = card.transaction(WAIT)?;
    let mut piv = Piv::select(&mut transaction)?;
    let Attestation {
        public_key,
        policies,
        firmware,
        serial,
        certificate,
    } = piv.attest(slot)?;
    let issuer = piv.attestation_issuer()?.ok_or("no attestation certificate")?;
    println!("attested: {policies:?} {firmware} {serial:?}");
    println!(
        "point: {}",
        public_key.map_or_else(String::new, |key| to_hex(&key.compressed()))
    );
    println!(
        "signed: {}",
        tapvault::token::attestation::is_signed_by(&certificate, &issuer)?
    );
    Ok(())
}

fn hold(readers: &Readers, how: &str, time: Duration) -> Anything<()> {
    let name = readers
        .list()?
        .into_iter()
        .find(|reader| reader.state != ReaderState::Empty);
    let name = name.ok_or(Error::NoToken)?.name.to_string();
    let context = pcsc::Context::establish(pcsc::Scope::User)?;
    let mode = match how {
        "exclusive" => pcsc::ShareMode::Exclusive,
        _ => pcsc::ShareMode::Shared,
    };
    let mut card = context.connect(&std::ffi::CString::new(name)?, mode, pcsc::Protocols::ANY)?;
    let transaction = (how == "transaction").then(|| card.transaction()).transpose()?;
    println!("held: {how}");
    let until = Instant::now() + time;
    thread::sleep(until.saturating_duration_since(Instant::now()));
    drop(transaction);
    if how == "reset" {
        card.reconnect(mode, pcsc::Protocols::ANY, pcsc::Disposition::ResetCard)?;
        println!("reset: done");
    }
    let disposition = match how {
        "unpower" => pcsc::Disposition::UnpowerCard,
        _ => pcsc::Disposition::LeaveCard,
    };
    card.disconnect(disposition).map_err(|(_, error)| error)?;
    Ok(())
}

fn only_card(readers: &Readers) -> Anything<Card> {
    let reader = readers
        .list()?
        .into_iter()
        .find(|reader| reader.state != ReaderState::Empty);
    Ok(readers.connect(&reader.ok_or(Error::NoToken)?.name, WAIT)?)
}

fn reader_of(readers: &Readers, wanted: &str) -> Anything<ReaderName> {
    let wanted: u32 = wanted.parse()?;
    let found = discover::find(readers, WAIT)?
        .into_iter()
        .find(|sighting| match sighting.what {
            Seen::Token { serial, .. } => serial.0 == wanted,
            Seen::Busy | Seen::Foreign => false,
        });
    Ok(found.ok_or(Error::NoToken)?.reader)
}

fn admin(readers: &Readers, serial: &str) -> Anything<Admin> {
    Ok(Admin::open(readers, &reader_of(readers, serial)?, WAIT)?)
}

/// `name=value` words.
struct Options<'a>(&'a [&'a str]);

impl Options<'_> {
    fn get(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find_map(|word| word.strip_prefix(name)?.strip_prefix('='))
    }
}

fn pin_bytes(pin: &str) -> Option<&[u8]> {
    (pin != "-").then_some(pin.as_bytes())
}

fn millis(text: &str) -> Anything<Duration> {
    Ok(Duration::from_millis(text.parse()?))
}

fn parse_point(hex: &str) -> Anything<Point> {
    Ok(Point::from_sec1(&from_hex(hex)?)?)
}

fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn from_hex(text: &str) -> Anything<Vec<u8>> {
    let pairs = text
        .as_bytes()
        .chunks(2)
        .map(|pair| Ok(u8::from_str_radix(std::str::from_utf8(pair)?, 16)?));
    pairs.collect()
}
