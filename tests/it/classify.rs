//! What texts are understood as, through `doorstep classify` under the shipped configuration.

use std::{
    io::Write,
    process::{Output, Stdio},
};

use serde_json::Value;

use crate::support::server::doorstep_command;

fn classify(input: &[u8]) -> Output {
    let mut child = doorstep_command()
        .arg("classify")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    child.wait_with_output().unwrap()
}

/// The entities of each line, as kind and value.
fn entities(output: &Output) -> Vec<Vec<(String, String)>> {
    let told = String::from_utf8(output.stdout.clone()).unwrap();
    told.lines()
        .map(|line| {
            let line: Value = serde_json::from_str(line).unwrap();
            let text = |entity: &Value, key: &str| entity[key].as_str().unwrap().to_owned();
            let entities = line["entities"].as_array().unwrap().iter();
            entities
                .map(|entity| (text(entity, "type"), text(entity, "value")))
                .collect()
        })
        .collect()
}

fn pair(kind: &str, value: &str) -> (String, String) {
    (kind.to_owned(), value.to_owned())
}

#[test]
fn products_attributes_and_telephones_are_told_and_a_line_that_is_no_text_is_named() {
    let mut input = "is the stormhold hardshel women in stock?\n"
        .as_bytes()
        .to_vec();
    input.extend("Telefon 030 22345678\r\n".as_bytes());
    input.extend(b"caf\xe9\n");
    input.extend("something of recycled polyester for winter in xl".as_bytes());
    let output = classify(&input);
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{complaint}");
    assert!(
        complaint.contains("standard input, line 3: byte 4 is not UTF-8"),
        "{complaint}"
    );
    assert!(complaint.contains("1 text(s) were left out"), "{complaint}");
    let entities = entities(&output);
    assert_eq!(entities.len(), 3);
    assert_eq!(entities[0], [pair("product", "JKT-105")]);
    assert_eq!(entities[1], [pair("phone", "+493022345678")]);
    for expected in [
        pair("attribute", "fill=recycled polyester"),
        pair("attribute", "season=winter"),
        pair("size", "XL"),
    ] {
        assert!(entities[2].contains(&expected), "{:?}", entities[2]);
    }
}
