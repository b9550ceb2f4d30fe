//! Against vectors that tests/fido2/vectors.py made from the specifications, without this code.

use super::*;
use crate::agefile::AgeFile;
use crate::wrap::Verifier;
use age::Identity;
use serde_json::Value;

fn vectors() -> Vec<Value> {
    serde_json::from_str(include_str!("../../../tests/fido2/vectors.json")).expect("vectors")
}

fn text<'v>(vector: &'v Value, name: &str) -> &'v str {
    vector[name].as_str().unwrap_or_else(|| panic!("{name}"))
}

fn bytes(vector: &Value, name: &str) -> Vec<u8> {
    let digits = text(vector, name).as_bytes();
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).expect("digits"), 16).expect("hex");
    digits.chunks(2).map(byte).collect()
}

fn bytes_32(vector: &Value, name: &str) -> [u8; 32] {
    bytes(vector, name).try_into().expect("32 bytes")
}

fn details(vector: &Value) -> Fido2Details {
    Fido2Details {
        rp_id: RelyingParty::Age,
        credential: Bytes(bytes(vector, "credential")),
        salt: Salt(bytes_32(vector, "salt")),
        uv: match text(vector, "uv") {
            "required" => Verification::Required,
            _ => Verification::Discouraged,
        },
        product: String::new(),
        serial: None,
        verifier: SoftwareVerifier(bytes_32(vector, "verifier")),
        proof: Salt(bytes_32(vector, "proof")),
    }
}

#[test]
fn the_plugins_identity_is_that_of_its_specification_also_for_long_credentials() {
    for vector in vectors() {
        assert_eq!(details(&vector).plugin_identity(), text(&vector, "identity"));
    }
}

#[test]
fn the_output_is_the_age_identity_and_opens_what_others_sealed() {
    for vector in vectors() {
        let identity = identity(&bytes_32(&vector, "opening_output"));
        assert_eq!(identity.to_public().to_string(), text(&vector, "recipient"));
        assert_eq!(identity.to_string().expose_secret(), text(&vector, "secret"));
        let file = AgeFile::parse("vector", bytes(&vector, "file")).expect("an age file");
        let file_key = identity
            .unwrap_stanzas(file.stanzas())
            .expect("ours")
            .expect("unwrapped");
        let opened = file.open(&file_key).expect("opened");
        assert_eq!(&opened[..], text(&vector, "text").as_bytes());
    }
}

#[test]
fn the_second_output_signs_and_the_first_proves_whose_signature_it_is() {
    for vector in vectors() {
        let details = details(&vector);
        assert_eq!(details.voucher_salt(), bytes_32(&vector, "voucher_salt"));
        let signing = signing_key(&bytes_32(&vector, "vouching_output"));
        assert_eq!(signing.verifying_key().to_bytes(), details.verifier.0);
        assert!(Verifier::Ed25519(details.verifier.0).accepts(b"{}", &bytes(&vector, "signature_over_list")));
        let identity = identity(&bytes_32(&vector, "opening_output"));
        assert_eq!(proof(&identity, &details.verifier), details.proof);
        assert_ne!(proof(&identity, &SoftwareVerifier([7; 32])), details.proof);
    }
}

#[test]
fn another_relying_party_is_no_fido2_key() {
    let mut json = serde_json::to_value(details(&vectors()[0])).expect("JSON");
    assert!(serde_json::from_value::<Fido2Details>(json.clone()).is_ok());
    json["rp_id"] = "example.org".into();
    assert!(serde_json::from_value::<Fido2Details>(json).is_err());
}
