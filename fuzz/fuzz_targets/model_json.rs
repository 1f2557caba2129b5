//! The model file's reader on bytes of any kind: it never panics, what it accepts predicts its golden rows, and can be written
//! and read back.

#![no_main]

use libfuzzer_sys::fuzz_target;
use model::file::{Golden, ModelFile};

fuzz_target!(|bytes: &[u8]| {
    let Ok((file, encoding, linear)) = ModelFile::parse(bytes) else { return };
    let columns = encoding.columns().len();
    assert_eq!(linear.coefficients().len(), columns);
    assert_eq!(linear.predict(&[&vec![0.5; columns]]).len(), 1);
    let encode = |golden: &Golden| encoding.encode(&golden.features).expect("a golden row can be encoded");
    let rows: Vec<Vec<f64>> = file.golden.iter().map(encode).collect();
    let rows: Vec<&[f64]> = rows.iter().map(Vec::as_slice).collect();
    for ((golden, row), together) in file.golden.iter().zip(&rows).zip(linear.predict(&rows)) {
        let alone = linear.predict(&[row])[0];
        assert_eq!(alone.to_bits(), together.to_bits(), "a row's prediction depends on the rows beside it");
        // What is added up can be too large for a number, and everything is near to infinity.
        let sizes = linear.magnitude(row).max(golden.prediction.abs());
        assert!(sizes.is_infinite() || (alone - golden.prediction).abs() <= 1e-12 * sizes);
    }
    let text = file.to_json().expect("what was read can be written");
    let (again, ..) = ModelFile::parse(&text).expect("what was written can be read");
    assert_eq!(again, file);
    // Equal numbers are not all the same: a zero has a sign.
    assert_eq!(again.to_json().expect("what was read can be written"), text);
});
