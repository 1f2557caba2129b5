//! The pickle reader on bytes of any kind: it never panics, and what it accepts is a whole model.

#![no_main]

use libfuzzer_sys::fuzz_target;
use model::load;
use model::pickle;

fuzz_target!(|bytes: &[u8]| {
    let Ok(read) = pickle::read(bytes) else { return };
    let features = read.coefficients.len();
    assert!(features > 0);
    assert!(read.coefficients.iter().chain([&read.intercept]).all(|weight| weight.is_finite()));
    assert!(read.features.as_ref().is_none_or(|names| names.len() == features));
    if let Some(scaling) = &read.scaling {
        assert!(scaling.mean.len() == features && scaling.scale.len() == features);
        assert!(scaling.mean.iter().chain(&scaling.scale).all(|number| number.is_finite()));
        assert!(scaling.scale.iter().all(|scale| *scale != 0.0));
    }
    let linear = load::linear(&read).expect("its weights are finite");
    assert_eq!(linear.predict(&[&vec![0.5; features]]).len(), 1);
});
