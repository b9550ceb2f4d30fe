//! JSON that the program prints, held against the schemas of docs/schema.

use super::Output;
use serde_json::Value;
use std::fs;
use std::path::Path;

impl Output {
    /// Standard output as JSON that docs/schema/NAME.json describes.
    #[track_caller]
    pub fn json_as(&self, name: &str) -> Value {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("docs/schema/{name}.json"));
        let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let schema = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let schema =
            jsonschema::draft202012::new(&schema).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let value = self.json();
        let wrong: Vec<String> = schema
            .iter_errors(&value)
            .map(|error| format!("{}: {error}", error.instance_path()))
            .collect();
        assert!(
            wrong.is_empty(),
            "not as {name}.json says: {}\n{self}",
            wrong.join("\n")
        );
        value
    }
}
