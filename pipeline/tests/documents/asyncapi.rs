//! The document of what travels, as the program makes it.

use std::{env, fs};

use shared::transport::Queues;

use crate::repository;

#[test]
fn the_document_of_what_travels_is_as_the_program_makes_it() {
    let path = repository("docs/asyncapi.json");
    let made = format!("{:#}\n", pipeline::asyncapi::document(&Queues::default()));
    if env::var_os("UPDATE").is_some() {
        fs::write(&path, &made).unwrap();
    }
    assert_eq!(fs::read_to_string(path).unwrap(), made, "UPDATE=1 cargo test -p pipeline --test documents");
}
