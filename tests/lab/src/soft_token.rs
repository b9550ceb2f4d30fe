//! A YubiKey 5 in software, for a real `pcscd` to find: PIV and OATH with real keys, real counters and real waits for
//! a touch.
//!
//! It exists so that tests can go the whole way, from the program under test through libpcsclite and `pcscd` to an
//! applet, with no part faked that the program could tell from a device. It is no place for secrets: keys lie in a
//! JSON file.
//!
//! How a command comes in:
//!
//! 1. [`vpcd`] connects to the driver of vsmartcard in `pcscd` and gets frames: power, ATR, APDUs.
//! 2. [`card`] parses APDUs, gathers chained ones, follows SELECT and cuts long answers.
//! 3. An applet ([`piv`], [`oath`], [`management`], [`otp`]) does the work; each implements [`card::Applet`].
//! 4. [`device`] is what applets share: serial number and firmware, the [`body`] that is plugged in and touched, the
//!    memory in [`store`] and the [`journal`].
//!
//! The hand that plugs, pulls and touches comes in over the socket of [`control`], whose words are in [`protocol`] and
//! whose typed client is [`client`]. [`rig`] brings up one `pcscd` with its tokens in namespaces of its own.

pub mod apdu;
pub mod body;
pub mod card;
pub mod client;
pub mod control;
pub mod device;
pub mod firmware;
pub mod hex;
pub mod journal;
pub mod management;
pub mod oath;
pub mod otp;
pub mod piv;
pub mod protocol;
pub mod rig;
pub mod store;
pub mod tlv;
pub mod vpcd;
