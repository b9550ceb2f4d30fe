//! The applet against a card that answers from a list, and answers that no card should give.

use super::*;
use crate::token::apdu::script::{Script, from_hex, to_hex};
use proptest::prelude::*;
use zeroize::Zeroizing;

const SELECT: &str = "00a4040007 a0000005272101 00";
const GREETING: &str = "7903 050701 7108 0102030405060708 9000";
const OPEN: (&str, &str) = (SELECT, GREETING);
const LOCKED: (&str, &str) = (
    SELECT,
    "7903 050701 7108 0102030405060708 7408 a1a2a3a4a5a6a7a8 7b01 01 9000",
);
const LIST: &str = "00a1000000";
/// Accounts "a" (TOTP, SHA-1), "b" (HOTP, SHA-1), "c" (TOTP, SHA-512) and "d" of another vendor's kind.
const LISTED: &str = "7202 2161 7202 1162 7202 2363 7202 4164 9000";
const ALL: &str = "00a400010a 7408 0000000000000001 00";
const ALL_TOLD: &str = "7101 61 7605 06 11223344 7101 62 7701 06 7101 63 7c01 08 9000";
/// Account "a" at step 1.
const CALCULATE: &str = "00a200010d 7101 61 7408 0000000000000001 00";

fn account(name: &str, kind: Kind, touch: Option<Touch>) -> Account {
    Account {
        name: AccountName::new(name.as_bytes()).expect("a short name"),
        kind,
        algorithm: Some(Algorithm::Sha1),
        digits: Some(Digits::SIX),
        touch,
    }
}

fn calculated(answer: &'static str, touch: Option<Touch>) -> Result<String> {
    let mut card = Script::new([OPEN, (CALCULATE, answer)]);
    let code = Oath::select(&mut card)
        .expect("there is OATH")
        .calculate(&account("a", Kind::Totp, touch), TimeStep(1));
    assert!(card.is_done());
    code.map(|code| code.text.expose().to_owned())
}

#[test]
fn accounts_are_listed_with_all_that_the_token_tells() {
    let mut card = Script::new([OPEN, (LIST, LISTED), (ALL, ALL_TOLD)]);
    let mut oath = Oath::select(&mut card).expect("there is OATH");
    assert_eq!((oath.lock(), oath.version()), (Lock::Open, Firmware::new(5, 7, 1)));
    let accounts = oath.accounts(59).expect("it lists");
    let told: Vec<_> = accounts
        .iter()
        .map(|account| {
            (
                account.name.to_string(),
                account.kind,
                account.algorithm,
                account.digits,
                account.touch,
            )
        })
        .collect();
    let name = |name: &str| name.to_owned();
    let expected = [
        (
            name("a"),
            Kind::Totp,
            Some(Algorithm::Sha1),
            Some(Digits::SIX),
            Some(Touch::NotRequired),
        ),
        (name("b"), Kind::Hotp, Some(Algorithm::Sha1), Some(Digits::SIX), None),
        (
            name("c"),
            Kind::Totp,
            Some(Algorithm::Sha512),
            Digits::new(8),
            Some(Touch::Required),
        ),
        (name("d"), Kind::Other(0x40), Some(Algorithm::Sha1), None, None),
    ];
    assert_eq!(told, expected);
    assert!(card.is_done());
}

#[test]
fn a_code_keeps_its_zeros_and_loses_its_sign() {
    // 0x80000007 without its sign bit is 7.
    assert_eq!(calculated("7605 06 80000007 9000", None).as_deref(), Ok("000007"));
    assert_eq!(calculated("7605 08 7fffffff 9000", None).as_deref(), Ok("47483647"));
}

#[test]
fn a_touch_that_did_not_come_is_told_from_a_password_and_from_a_missing_account() {
    for answer in ["6982", "6985"] {
        for touch in [Some(Touch::Required), None] {
            let result = calculated(answer, touch);
            assert!(matches!(result, Err(Error::NoTouch { .. })), "{answer} {result:?}");
        }
    }
    let refused = Error::Card {
        instruction: "CALCULATE",
        sw: 0x6982,
    };
    assert_eq!(calculated("6982", Some(Touch::NotRequired)), Err(refused));
    let gone = OathFault::NoSuchAccount {
        account: "a".to_owned(),
    };
    assert_eq!(calculated("6984", Some(Touch::Required)), Err(gone.into()));
    assert_eq!(calculated("removed", Some(Touch::Required)), Err(Error::Removed));

    let mut card = Script::new([LOCKED, (CALCULATE, "6982"), (LIST, "6982")]);
    let mut oath = Oath::select(&mut card).expect("there is OATH");
    let result = oath.calculate(&account("a", Kind::Totp, Some(Touch::Required)), TimeStep(1));
    assert_eq!(result.map(|_| ()), Err(OathFault::PasswordRequired.into()));
    assert_eq!(oath.list(), Err(OathFault::PasswordRequired.into()));
}

#[test]
fn only_time_based_accounts_are_ever_calculated() {
    let mut card = Script::new([OPEN]);
    let mut oath = Oath::select(&mut card).expect("there is OATH");
    for kind in [Kind::Hotp, Kind::Other(0x40)] {
        let refused = OathFault::NotTimeBased {
            account: "b".to_owned(),
        };
        let account = account("b", kind, None);
        assert_eq!(
            oath.calculate(&account, TimeStep(1)).map(|_| ()),
            Err(refused.clone().into())
        );
        assert_eq!(
            oath.calculate_in_full(&account, TimeStep(1)).map(|_| ()),
            Err(refused.into())
        );
    }
}

#[test]
fn a_wrong_password_and_a_token_that_does_not_know_it_are_two_things() {
    let salt = Salt::new(&[1, 2, 3, 4, 5, 6, 7, 8]);
    let key = UnlockKey::derive(&crate::secret::SecretText::copy_of("tap"), &salt);
    // Our answer is the HMAC of the token's challenge, computed by another implementation; our challenge is random.
    let validate = "00a3000020 7514 9a367c4f0784123733213a10793c2927beda4684 7408*";
    let forged = format!("7514 {} 9000", "00".repeat(20));
    for (answer, expected) in [
        ("6a80".to_owned(), OathFault::WrongPassword),
        ("6982".to_owned(), OathFault::WrongPassword),
        (forged, OathFault::Unproven),
    ] {
        let mut card = Script::new([(LOCKED.0, LOCKED.1.to_owned()), (validate, answer)]);
        let mut oath = Oath::select(&mut card).expect("there is OATH");
        assert_eq!(oath.unlock(&key), Err(expected.into()));
        assert_eq!(oath.lock(), Lock::Locked);
    }
    for malformed in ["9000", "7414 9000", "7514 00 9000", "75 9000"] {
        let mut card = Script::new([LOCKED, (validate, malformed)]);
        let mut oath = Oath::select(&mut card).expect("there is OATH");
        assert!(matches!(oath.unlock(&key), Err(Error::Malformed { .. })), "{malformed}");
        assert_eq!(oath.lock(), Lock::Locked);
    }
}

#[test]
fn an_open_applet_is_sent_no_password() {
    let mut card = Script::new([OPEN]);
    let key = UnlockKey::from_bytes(Zeroizing::new([7; 16]));
    let mut oath = Oath::select(&mut card).expect("there is OATH");
    assert_eq!(oath.unlock(&key), Ok(()));
}

fn new_account(algorithm: Algorithm, touch: Touch, seed: &[u8]) -> NewAccount {
    NewAccount {
        name: AccountName::new(b"n").expect("a short name"),
        algorithm,
        digits: Digits::SIX,
        touch,
        seed: Seed::new(Zeroizing::new(seed.to_vec())),
    }
}

#[test]
fn an_account_is_put_only_where_none_is() {
    let put = "0001000017 7101 6e 7310 2106 0102030405060708090a0b0c0d0e 7802 00";
    let new = new_account(
        Algorithm::Sha1,
        Touch::Required,
        &from_hex("0102030405060708090a0b0c0d0e"),
    );
    for (answer, expected) in [("9000", Ok(())), ("6a84", Err(OathFault::Full.into()))] {
        let mut card = Script::new([OPEN, (LIST, LISTED), (put, answer)]);
        assert_eq!(Oath::select(&mut card).and_then(|mut oath| oath.put(&new)), expected);
        assert!(card.is_done());
    }
    let mut card = Script::new([OPEN, (LIST, "7202 216e 9000")]);
    let exists = OathFault::AccountExists {
        account: "n".to_owned(),
    };
    assert_eq!(
        Oath::select(&mut card).and_then(|mut oath| oath.put(&new)),
        Err(exists.into())
    );
}

#[test]
fn seeds_are_filled_up_or_hashed_as_hmac_would() {
    let cases = [
        ("0001000015 7101 6e 7310 2106 0100000000000000000000000000 00", vec![1]),
        // SHA-1 of 65 zero bytes, by another implementation.
        (
            "000100001b 7101 6e 7316 2106 f0fa45906bd0f4c3668fcd0d8f68d4b298b30e5b 00",
            vec![0; 65],
        ),
    ];
    for (put, seed) in cases {
        let mut card = Script::new([OPEN, (LIST, "9000"), (put, "9000")]);
        let new = new_account(Algorithm::Sha1, Touch::NotRequired, &seed);
        assert_eq!(Oath::select(&mut card).and_then(|mut oath| oath.put(&new)), Ok(()));
    }
    // A block is not hashed: 64 bytes, and 128 of SHA-512.
    for (algorithm, block, put) in [
        (Algorithm::Sha256, 64, "0001000047 7101 6e 7342 2206 0505*"),
        (Algorithm::Sha512, 128, "0001000088 7101 6e 738182 2306 0505*"),
    ] {
        let mut card = Script::new([OPEN, (LIST, "9000"), (put, "9000")]);
        let new = new_account(algorithm, Touch::NotRequired, &vec![5; block]);
        assert_eq!(Oath::select(&mut card).and_then(|mut oath| oath.put(&new)), Ok(()));
    }
}

#[test]
fn old_firmware_is_not_asked_for_what_it_does_not_know() {
    for (version, algorithm, touch) in [
        ("040203", Algorithm::Sha1, Touch::Required),
        ("040300", Algorithm::Sha512, Touch::NotRequired),
    ] {
        let greeting = format!("7903 {version} 7108 0102030405060708 9000");
        let mut card = Script::new([(SELECT, greeting)]);
        let result = Oath::select(&mut card).and_then(|mut oath| oath.put(&new_account(algorithm, touch, &[7; 20])));
        assert!(matches!(result, Err(Error::NotSupported { .. })), "{result:?}");
    }
}

#[test]
fn deleting_what_is_not_there_says_so() {
    let delete = "0002000003 7101 61 00";
    let gone = OathFault::NoSuchAccount {
        account: "a".to_owned(),
    };
    for (answer, expected) in [("9000", Ok(())), ("6984", Err(gone.into()))] {
        let mut card = Script::new([OPEN, (delete, answer)]);
        let name = AccountName::new(b"a").expect("a short name");
        assert_eq!(
            Oath::select(&mut card).and_then(|mut oath| oath.delete(&name)),
            expected
        );
    }
}

#[test]
fn a_token_without_oath_says_so() {
    for answer in ["6a82", "6d00", "6999"] {
        let mut card = Script::new([(SELECT, answer)]);
        let result = Oath::select(&mut card).map(|_| ());
        assert!(
            matches!(result, Err(Error::NotSupported { what: "OATH", .. })),
            "{result:?}"
        );
    }
}

#[test]
fn the_values_of_rfc_4226_appendix_d_make_its_codes() {
    let table = [
        ("cc93cf18508d94934c64b65d8ba7667fb7cde4b0", "755224"),
        ("75a48a19d4cbe100644e8ac1397eea747a2d33ab", "287082"),
        ("0bacb7fa082fef30782211938bc1c5e70416ff44", "359152"),
        ("66c28227d03a2d5529262ff016a1e6ef76557ece", "969429"),
        ("a904c900a64b35909874b33e61c5938a8e15ed1c", "338314"),
        ("a37e783d7b7233c083d4f62926c7a25f238d0316", "254676"),
        ("bc9cd28561042c83f219324d3c607256c03272ae", "287922"),
        ("a4fb960c0bc06e1eabb804e5b397cdc4b45596fa", "162583"),
        ("1b3c89f65e6c9e883012052823443f048b4332db", "399871"),
        ("1637409809a679dc698207310c8c7fc07290d9e5", "520489"),
    ];
    for (hmac, code) in table {
        let answer = from_hex(&format!("7515 06 {hmac}"));
        let full = answer::full(&answer).expect("well-formed");
        assert_eq!(to_hex(full.hmac()), hmac);
        assert_eq!(full.code().map(|code| code.expose().to_owned()).as_deref(), Ok(code));
    }
}

#[test]
fn codes_that_are_none_are_malformed() {
    for answer in [
        "9000",
        "76 9000",
        "7600 9000",
        "7605 05 11223344 9000",
        "7605 09 11223344 9000",
        "7604 06 112233 9000",
        "7606 06 1122334455 9000",
        "7605 06 112233 9000",
        "7505 06 11223344 9000",
    ] {
        let result = calculated(answer, None);
        assert!(matches!(result, Err(Error::Malformed { .. })), "{answer} {result:?}");
    }
    let short = answer::full(&from_hex("7502 06 0f")).and_then(|full| full.code());
    assert!(matches!(short.map(|_| ()), Err(Error::Malformed { .. })));
}

#[test]
fn an_answer_without_end_is_given_up() {
    let endless = [(SELECT, GREETING.to_owned()), (LIST, "7202 2161 6101".to_owned())]
        .into_iter()
        .chain((0..1025).map(|_| ("00a5000000", "00 6101".to_owned())));
    let mut card = Script::new(endless);
    let result = Oath::select(&mut card).and_then(|mut oath| oath.list());
    assert!(matches!(result, Err(Error::Malformed { .. })), "{result:?}");
}

proptest! {
    #[test]
    fn no_answer_of_any_bytes_is_a_panic(data in prop::collection::vec(any::<u8>(), 0..300), cut in 0_usize..40) {
        let told = from_hex(ALL_TOLD);
        let mixed = [&told[..cut.min(told.len())], &data].concat();
        for bytes in [&data, &mixed] {
            let _ = Greeting::parse(bytes);
            let _ = answer::calculate_all(bytes);
            let _ = answer::truncated(bytes);
            for account in answer::list(bytes).into_iter().flatten() {
                prop_assert!(account.name.period().seconds() > 0);
                let _ = (account.name.to_string(), account.name.issuer().is_some());
            }
            if let Ok(full) = answer::full(bytes) {
                let _ = full.code();
            }
        }
    }

    #[test]
    fn a_cut_answer_is_malformed_or_shorter_and_never_longer(cut in 0_usize..32) {
        let told = from_hex("7101 61 7605 06 11223344 7101 62 7701 06 7101 63 7c01 08");
        let cut = cut.min(told.len());
        if let Ok(all) = answer::calculate_all(&told[..cut]) {
            prop_assert!(all.len() <= 3 && (cut == told.len()) == (all.len() == 3));
        }
    }
}
