//! The model file's reader on bytes of any kind: it never panics, and what it accepts can be written and read back.

#![no_main]

use libfuzzer_sys::fuzz_target;
use model::file::ModelFile;

fuzz_target!(|bytes: &[u8]| {
    let Ok((file, linear)) = ModelFile::parse(bytes) else { return };
    let features = file.features.len();
    assert_eq!(linear.coefficients().len(), features);
    assert_eq!(linear.predict(&[&vec![0.5; features]]).len(), 1);
    let text = file.to_json().expect("what was read can be written");
    let (again, _) = ModelFile::parse(&text).expect("what was written can be read");
    assert_eq!(again, file);
});
