//! The child: does what the pipe says with one token, and answers. Whatever it holds ends with it.
//!
//! When the pipe is closed, because the parent has what it wanted, has waited long enough or was killed, a token that still waits
//! for a touch is told to stop, and the child ends. (The kernel's signal at a parent's death would end it before it could do that.)

use super::Result;
use super::failure::Fault;
use super::told;
use super::wire::{self, Answer, Bytes, Check, Info, Node, Outcome, Ownership, RP_ID, Request};
use ctap_hid_fido2::fidokey::{
    AssertionExtension, CredentialExtension, FidoKeyHid, GetAssertionArgsBuilder, MakeCredentialArgsBuilder,
};
use ctap_hid_fido2::public_key_credential_user_entity::PublicKeyCredentialUserEntity;
use ctap_hid_fido2::{HidParam, LibCfg};
use hidapi::HidApi;
use rand::RngCore;
use std::ffi::CString;
use std::io::{Read, Write};
use std::sync::mpsc;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use zeroize::Zeroizing;

/// The usage page of FIDO devices (CTAP 2.1, 11.2.8.1).
const FIDO: u16 = 0xf1d0;

/// How long a token may take to be told to stop.
const FAREWELL: Duration = Duration::from_millis(300);

/// How often the first frame is sent anew when another program's first frame came in between.
const GREETINGS: usize = 5;

/// The token that waits for a touch, if one does.
type Waiting = Arc<Mutex<Option<Arc<FidoKeyHid>>>>;

/// Answers requests until the pipe is closed. Does not return before that.
pub fn serve(mut input: impl Read + Send + 'static, mut output: impl Write) {
    let waiting = Waiting::default();
    let (send, requests) = mpsc::channel();
    let seen = Arc::clone(&waiting);
    std::thread::spawn(move || {
        // A request that can't be read is the end, too: this program's own parent would not write it.
        while let Ok(Some(message)) = wire::receive::<Request>(&mut input) {
            if send.send(message).is_err() {
                break;
            }
        }
        leave(&seen);
    });
    let mut child = Serving {
        waiting,
        token: None,
        pin: None,
    };
    for (request, secret) in requests {
        let (answer, secret) = match child.answer(request, &secret) {
            Ok(answer) => answer,
            Err(fault) => (Answer::Fault(fault), Zeroizing::default()),
        };
        if wire::send(&mut output, &answer, &secret).is_err() {
            break;
        }
    }
}

/// Ends this process, after the token was told to stop if it waits for somebody.
fn leave(waiting: &Waiting) {
    let token = waiting.lock().unwrap_or_else(PoisonError::into_inner).take();
    if let Some(token) = token {
        // In a thread of its own: a token that answers nothing keeps the crate's lock for ever.
        let (send, done) = mpsc::channel();
        std::thread::spawn(move || {
            let _ = token.cancel_selection();
            let _ = send.send(());
        });
        let _ = done.recv_timeout(FAREWELL);
    }
    std::process::exit(0);
}

struct Serving {
    waiting: Waiting,
    token: Option<Token>,
    pin: Option<Zeroizing<String>>,
}

/// A token that was looked at. It is opened anew for each request: HID gives every reader all frames, so those that another program's
/// requests (or a second child's) brought meanwhile would be taken for the answer.
struct Token {
    path: String,
    protocol: u8,
    has_hmac_secret: bool,
}

type Answered = (Answer, Zeroizing<Vec<u8>>);

impl Serving {
    fn answer(&mut self, request: Request, secret: &[u8]) -> Result<Answered> {
        let plain = |answer: Answer| Ok((answer, Zeroizing::default()));
        match request {
            Request::Nodes => plain(Answer::Nodes(nodes()?)),
            Request::Open { path } => {
                let (token, info) = Token::open(&path)?;
                self.token = Some(token);
                plain(Answer::Info(info))
            }
            Request::PinTries => plain(Answer::Tries(self.token()?.pin_tries()?)),
            Request::Owns { credential } => plain(Answer::Ownership(self.token()?.owns(&credential.0)?)),
            Request::Pin => {
                let pin = std::str::from_utf8(secret).map_err(|_| Fault::PinLength)?;
                let pin = Zeroizing::new(pin.to_owned());
                self.token()?.check_pin(&pin)?;
                self.pin = Some(pin);
                plain(Answer::Done)
            }
            Request::Make { check } => {
                let credential = self.touched(|token, key, pin| token.make(key, check, pin))?;
                plain(Answer::Made {
                    credential: Bytes(credential),
                })
            }
            Request::Outputs {
                credential,
                salts,
                check,
            } => {
                let secret = self.touched(|token, key, pin| token.outputs(key, &credential.0, &salts, check, pin))?;
                Ok((Answer::Outputs, secret))
            }
        }
    }

    fn token(&self) -> Result<&Token> {
        self.token.as_ref().ok_or(Fault::Removed)
    }

    /// Something that waits for a touch, and is told to stop when the pipe is closed.
    fn touched<T>(&self, operation: impl FnOnce(&Token, &FidoKeyHid, Option<&str>) -> Result<T>) -> Result<T> {
        let token = self.token()?;
        let key = Arc::new(token.key()?);
        let set = |now: Option<Arc<FidoKeyHid>>| *self.waiting.lock().unwrap_or_else(PoisonError::into_inner) = now;
        set(Some(Arc::clone(&key)));
        let outcome = operation(token, &key, self.pin.as_ref().map(|pin| pin.as_str()));
        set(None);
        outcome
    }
}

impl Token {
    fn open(path: &str) -> Result<(Self, Info)> {
        can_be_opened(&api()?, path)?;
        let mut token = Token {
            path: path.to_owned(),
            protocol: 1,
            has_hmac_secret: false,
        };
        let doing = "reading what it can do";
        let key = token.key()?;
        let told = key
            .get_info()
            .map_err(|err| match Fault::of_words(&err.to_string(), doing) {
                // ERR_INVALID_CMD (CTAP 2.1, 11.2.9.1.6): of CTAPHID's commands it does not know the one for CBOR.
                Fault::Refused { status: 0x01, .. } => Fault::OnlyU2f,
                fault => fault,
            })?;
        let told = told::Members {
            versions: told.versions,
            extensions: told.extensions,
            options: told.options,
            pin_protocols: told.pin_uv_auth_protocols,
            force_pin_change: told.force_pin_change,
            min_pin_length: told.min_pin_length,
        };
        let (info, protocol) = told::info(told, doing)?;
        token.protocol = protocol;
        token.has_hmac_secret = info.hmac_secret;
        Ok((token, info))
    }

    /// The token, freshly opened, with a channel of its own.
    fn key(&self) -> Result<FidoKeyHid> {
        let mut greetings = 1;
        loop {
            let key = FidoKeyHid::new(&[HidParam::Path(self.path.clone())], &quiet()).map_err(|_| Fault::Removed)?;
            match key
                .get_cid()
                .map_err(|err| Fault::of_words(&err.to_string(), "opening it"))
            {
                Ok(_) => return Ok(key.with_pin_protocol_version(self.protocol)),
                Err(Fault::Busy) if greetings < GREETINGS => greetings += 1,
                Err(fault) => return Err(fault),
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn pin_tries(&self) -> Result<u8> {
        let doing = "reading its PIN tries";
        let key = self.key()?;
        let read = || {
            let tries = key.get_pin_retries();
            let tries = tries.map_err(|err| Fault::of_words(&err.to_string(), doing))?;
            u8::try_from(tries).map_err(|_| Fault::Nonsense { doing })
        };
        // The crate says 0 of an answer without a number, too; a token must not be called blocked for one of these.
        match read()? {
            0 => read(),
            tries => Ok(tries),
        }
    }

    /// An assertion without a touch, and without the extension: a token looks the credential up for it.
    fn owns(&self, credential: &[u8]) -> Result<Ownership> {
        let args = GetAssertionArgsBuilder::new(RP_ID, &challenge())
            .credential_id(credential)
            .without_pin_and_uv()
            .without_up()
            .build();
        let doing = "looking for a credential";
        let err = match self.key()?.get_assertion_with_args(&args) {
            Ok(assertions) => return told::owned(&assertions, doing),
            Err(err) => err,
        };
        match Fault::of_words(&err.to_string(), doing) {
            Fault::NoCredential => Ok(Ownership::Foreign),
            fault @ (Fault::Busy | Fault::Removed | Fault::Nonsense { .. }) => Err(fault),
            // Such as UNSUPPORTED_OPTION, UP_REQUIRED, or PIN_REQUIRED where it wants one for everything.
            _ => Ok(Ownership::Untold),
        }
    }

    fn check_pin(&self, pin: &str) -> Result<()> {
        match self.key()?.get_pin_token(pin) {
            Ok(_) => Ok(()),
            Err(err) => Err(self.refused(Fault::of_words(&err.to_string(), "checking its PIN"), Check::Pin)),
        }
    }

    fn make(&self, key: &FidoKeyHid, check: Check, pin: Option<&str>) -> Result<Vec<u8>> {
        let doing = "making a credential";
        if !self.has_hmac_secret {
            return Err(Fault::NoHmacSecret);
        }
        let user = PublicKeyCredentialUserEntity::new(Some(&challenge()), Some("tapvault"), Some("tapvault"));
        let challenge = challenge();
        let args = MakeCredentialArgsBuilder::new(RP_ID, &challenge)
            .user_entity(&user)
            .extensions(&[CredentialExtension::HmacSecret(Some(true))]);
        let args = match check {
            Check::None => args.without_pin_and_uv(),
            Check::Pin => args.pin(pin.ok_or(Fault::PinRequired)?),
            Check::BuiltIn => args,
        };
        let made = key
            .make_credential_with_args(&args.build())
            .map_err(|err| self.refused(Fault::of_words(&err.to_string(), doing), check))?;
        told::made(made, doing)
    }

    fn outputs(
        &self,
        key: &FidoKeyHid,
        credential: &[u8],
        salts: &[Bytes],
        check: Check,
        pin: Option<&str>,
    ) -> Result<Zeroizing<Vec<u8>>> {
        let doing = "calculating with it";
        let nonsense = || Fault::Nonsense { doing };
        let salt = |bytes: &Bytes| <[u8; 32]>::try_from(&bytes.0[..]).map_err(|_| nonsense());
        let extension = match salts {
            [only] => AssertionExtension::HmacSecret(Some(salt(only)?)),
            [first, second] => AssertionExtension::HmacSecret2(Some((salt(first)?, salt(second)?))),
            _ => return Err(nonsense()),
        };
        let challenge = challenge();
        let args = GetAssertionArgsBuilder::new(RP_ID, &challenge)
            .credential_id(credential)
            .extensions(&[extension]);
        let args = match check {
            Check::None => args.without_pin_and_uv(),
            Check::Pin => args.pin(pin.ok_or(Fault::PinRequired)?),
            Check::BuiltIn => args,
        };
        let assertions = key
            .get_assertion_with_args(&args.build())
            .map_err(|err| self.refused(Fault::of_words(&err.to_string(), doing), check))?;
        told::outputs(&assertions, salts.len(), check, doing)
    }

    /// A refusal, with what the token was asked to check its holder by, and how many tries are left for a PIN.
    fn refused(&self, fault: Fault, check: Check) -> Fault {
        match (fault, check) {
            (Fault::WrongPin { .. }, _) => Fault::WrongPin {
                tries: self.pin_tries().ok(),
            },
            (fault, Check::BuiltIn) => fault.of_finger(),
            (fault, Check::None | Check::Pin) => fault,
        }
    }
}

fn nodes() -> Result<Vec<Node>> {
    let api = api()?;
    let text = |text: Option<&str>| text.unwrap_or_default().trim().to_owned();
    let tokens = api.device_list().filter(|device| device.usage_page() == FIDO);
    let mut nodes: Vec<Node> = tokens
        .filter_map(|device| {
            let path = device.path().to_str().ok()?;
            Some(Node {
                path: path.to_owned(),
                vendor: device.vendor_id(),
                product: device.product_id(),
                name: text(device.product_string()),
                serial: Some(text(device.serial_number())).filter(|serial| !serial.is_empty()),
                access: match can_be_opened(&api, path) {
                    Ok(()) => Outcome::Fine,
                    Err(fault) => Outcome::Not(fault),
                },
            })
        })
        .collect();
    nodes.sort_by(|a, b| a.path.cmp(&b.path));
    // One that has two collections of this page is listed twice.
    nodes.dedup_by(|a, b| a.path == b.path);
    Ok(nodes)
}

fn api() -> Result<HidApi> {
    HidApi::new().map_err(|err| Fault::NotStarted {
        detail: err.to_string(),
    })
}

/// Opening a node sends nothing to the token.
fn can_be_opened(api: &HidApi, path: &str) -> Result<()> {
    let name = CString::new(path).map_err(|_| Fault::Removed)?;
    match api.open_path(&name) {
        Ok(_) => Ok(()),
        Err(err) => Err(Fault::of_open(&err.to_string(), path)),
    }
}

fn quiet() -> LibCfg {
    let mut settings = LibCfg::init();
    settings.enable_keep_alive_msg = false;
    settings
}

/// The challenge of a request. Nobody checks the signature over it, so it only has to be none that means something elsewhere.
fn challenge() -> [u8; 32] {
    let mut bytes = [0; 32];
    rand::rngs::OsRng.fill_bytes(&mut bytes);
    bytes
}
