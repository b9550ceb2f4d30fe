//! The card without a reader: APDUs in, answers out.

mod bare;
mod framing;
mod keys;
mod management_key;
mod oath;
mod objects;
mod pin;
mod robustness;
