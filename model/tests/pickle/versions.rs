//! Every linear model that is read, as scikit-learn 1.0, 1.3 and 1.5 save it (`scripts/pickle-versions.py`), held to what the
//! originals predict. Today's scikit-learn is held by the tests of foreign models.

use std::fs;
use std::path::PathBuf;

use model::{load, pickle};
use serde_json::Value;

const VERSIONS: [&str; 3] = ["1.0.2", "1.3.2", "1.5.2"];

#[test]
fn old_versions_predict_as_the_originals() {
    for version in VERSIONS {
        let path = |ending: &str| {
            PathBuf::from(format!(
                "{}/tests/fixtures/pickles/sklearn-{version}.{ending}",
                env!("CARGO_MANIFEST_DIR")
            ))
        };
        let content = fs::read(path("pickles")).unwrap();
        let expected: Value = serde_json::from_slice(&fs::read(path("json")).unwrap()).unwrap();
        let numbers = |value: &Value| -> Vec<f64> {
            value.as_array().unwrap().iter().map(|number| number.as_f64().unwrap()).collect()
        };
        let rows: Vec<Vec<f64>> = expected["rows"].as_array().unwrap().iter().map(numbers).collect();
        let rows: Vec<&[f64]> = rows.iter().map(Vec::as_slice).collect();
        let models = expected["models"].as_array().unwrap();
        for model in models {
            let name = &model["name"];
            let place = |end: usize| usize::try_from(model["bytes"][end].as_u64().unwrap()).unwrap();
            let read = pickle::read(&content[place(0)..place(1)])
                .unwrap_or_else(|why| panic!("{name} of {version}: {why}"));
            assert_eq!(read.library_version.as_deref(), Some(version), "{name}");
            let names =
                model["named"].as_bool().unwrap().then(|| ["bmi", "bp", "s5"].map(str::to_owned).to_vec());
            assert_eq!(read.features, names, "{name} of {version}");
            let predictions = load::linear(&read).unwrap().predict(&rows);
            for (got, want) in predictions.iter().zip(numbers(&model["predictions"])) {
                let near = (got - want).abs() <= 1e-9 * want.abs();
                assert!(near, "{name} of {version}: {got}, where the original says {want}");
            }
        }
        assert!(models.len() >= 50, "{version}: {} models", models.len());
    }
}
