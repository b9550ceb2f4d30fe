use super::*;

fn edited(text: &str, edit: impl FnOnce(&mut ConfigText)) -> String {
    let mut text = ConfigText::parse("config", FileKind::Config, text.into());
    edit(&mut text);
    String::from_utf8(text.as_bytes().to_vec()).unwrap()
}

fn set(text: &str, name: &str, key: &str, value: &str) -> String {
    edited(text, |text| text.set(&name.parse().unwrap(), key, value).unwrap())
}

#[test]
fn a_value_changes_in_place_and_nothing_else_does() {
    let text = "# top\n[profile a]\nregion=x\ns3 =\n  a = 1\n# mid\nregion  =  y\n\n[profile b]\nregion = z\n";
    assert_eq!(
        set(text, "a", "Region", "eu-west-1"),
        "# top\n[profile a]\nregion=x\ns3 =\n  a = 1\n# mid\nregion  =  eu-west-1\n\n[profile b]\nregion = z\n"
    );
}

#[test]
fn a_new_key_goes_below_the_last_one() {
    let text = "[profile a]\ns3 =\n  a = 1\n\n# about b\n[profile b]";
    assert_eq!(
        set(text, "a", "region", "x"),
        "[profile a]\ns3 =\n  a = 1\nregion = x\n\n# about b\n[profile b]"
    );
    assert_eq!(set(text, "b", "region", "x"), format!("{text}\nregion = x"));
}

#[test]
fn a_new_profile_goes_to_the_end() {
    assert_eq!(set("", "default", "region", "x"), "[default]\nregion = x\n");
    assert_eq!(
        set("[default]\r\na = 1", "my prof", "k", "v"),
        "[default]\r\na = 1\r\n\r\n[profile \"my prof\"]\r\nk = v\r\n"
    );
    assert_eq!(set("[default]\n\n", "b", "k", "v"), "[default]\n\n[profile b]\nk = v\n");
}

#[test]
fn a_comment_behind_a_value_moves_above_it() {
    let text = "\u{feff}[profile a]\r\nregion = x # home\r\n";
    assert_eq!(
        set(text, "a", "region", "y"),
        "\u{feff}[profile a]\r\n# home\r\nregion = y\r\n"
    );
}

#[test]
fn a_block_gives_way_to_a_value() {
    assert_eq!(
        set("[default]\ns3 =\n  a = 1\n# c\n  b = 2\nx = 1\n", "default", "s3", "v"),
        "[default]\ns3 = v\n# c\nx = 1\n"
    );
}

#[test]
fn removing_takes_every_line_of_the_key() {
    let name = "a".parse().unwrap();
    let text = "[profile a]\nk = 1\n# keep\nK = 2\n  more\nz = 3\n[profile a]\nk = 4\n";
    let after = edited(text, |text| assert!(text.remove(&name, "k").unwrap()));
    assert_eq!(after, "[profile a]\n# keep\nz = 3\n[profile a]\n");
    edited(text, |text| assert!(!text.remove(&name, "none").unwrap()));
}

#[test]
fn the_default_that_counts_is_edited() {
    assert_eq!(
        set("[profile default]\na = 1\n[default]\na = 2\n", "default", "a", "3"),
        "[profile default]\na = 3\n[default]\na = 2\n"
    );
}

#[test]
fn what_would_not_be_read_back_is_refused() {
    let name = "a".parse().unwrap();
    for (key, value) in [
        ("k", "a #b"),
        ("k", "#b"),
        ("k", " a"),
        ("k", "a\nb"),
        ("k", "a\t;b"),
        ("a b", "x"),
        ("", "x"),
        ("a:b", "x"),
    ] {
        let before = "[profile a]\nk = 1\n";
        let after = edited(before, |text| {
            assert!(text.set(&name, key, value).is_err(), "{key} {value}")
        });
        assert_eq!(after, before);
    }
    edited("[profile a]\noops\n", |text| {
        assert!(matches!(text.set(&name, "k", "v"), Err(EditError::Malformed(_))))
    });
    edited("[profile a]\n", |text| {
        assert!(matches!(text.append(&name, &[]), Err(EditError::Exists { .. })))
    });
}
