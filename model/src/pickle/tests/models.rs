//! Which states of scikit-learn's are a linear model, and which are refused.

use super::super::{PickledLinear, Scaling};
use super::*;

#[test]
fn a_model_is_read_under_old_and_new_names() {
    let want = PickledLinear {
        class: "Ridge".to_owned(),
        library_version: None,
        features: None,
        scaling: None,
        coefficients: vec![1.5, -2.0],
        intercept: 0.25,
        parameters: [].into(),
    };
    assert_eq!(good(&ridge(&[])), want);
    let fitted = [("coef_", array(&[1.5, -2.0])), ("intercept_", float(0.25))];
    for (dotted, class) in [
        ("sklearn.linear_model.base.LinearRegression", "LinearRegression"),
        ("sklearn.linear_model.ridge.Ridge", "Ridge"),
        ("sklearn.linear_model.coordinate_descent.Lasso", "Lasso"),
        ("sklearn.linear_model._coordinate_descent.ElasticNet", "ElasticNet"),
    ] {
        assert_eq!(good(&object(dotted, &fitted)), PickledLinear { class: class.to_owned(), ..want.clone() });
    }
    // As protocols 0 and 1 make objects, and pickles of later protocols may.
    let state = [b"}(", &text("coef_")[..], &fitted[0].1, &text("intercept_"), &fitted[1].1, b"ub"].concat();
    let made = [global("copy_reg._reconstructor"), global(RIDGE), global("__builtin__.object")].concat();
    assert_eq!(good(&[&made[..], b"N\x87R", &state].concat()), want);
}

#[test]
fn weights_come_in_several_forms() {
    let (one, two) = (1.5_f64, -2.0_f64);
    let little = [one.to_le_bytes(), two.to_le_bytes()].concat();
    let big = [one.to_be_bytes(), two.to_be_bytes()].concat();
    let single = [1.5_f32.to_le_bytes(), (-2.0_f32).to_le_bytes()].concat();
    for coefficients in [
        array_of("f8", "<", b"K\x02\x85", &little),
        array_of("f8", ">", b"K\x02\x85", &big),
        array_of("f4", "<", b"K\x02\x85", &single),
        array_of("f8", "<", b"K\x01K\x02\x86", &little),
    ] {
        assert_eq!(good(&ridge(&[("coef_", coefficients)])).coefficients, [one, two]);
    }
    for intercept in [
        float(0.25),
        array(&[0.25]),
        array_of("f8", "<", b")", &0.25_f64.to_le_bytes()),
        array_of("f8", "<", b"K\x01K\x01\x86", &0.25_f64.to_le_bytes()),
    ] {
        assert_eq!(good(&ridge(&[("intercept_", intercept)])).intercept, 0.25);
    }
    assert_eq!(good(&ridge(&[("intercept_", b"K\x00".to_vec())])).intercept, 0.0);
}

#[test]
fn what_is_known_of_a_model_is_kept() {
    let model = good(&ridge(&[
        ("alpha", b"K\x02".to_vec()),
        ("l1_ratio", float(0.5)),
        ("tol", float(1e-4)),
        ("_sklearn_version", text("1.9.1")),
        ("n_features_in_", b"K\x02".to_vec()),
        ("feature_names_in_", objects(&[text("age"), text("größe")])),
    ]));
    assert_eq!(model.parameters, [("alpha".to_owned(), 2.0), ("l1_ratio".to_owned(), 0.5)].into());
    assert_eq!(model.library_version.as_deref(), Some("1.9.1"));
    assert_eq!(model.features.unwrap(), ["age", "größe"]);
    // One for each target, or none: no number.
    assert_eq!(good(&ridge(&[("alpha", array(&[1.0]))])).parameters, [].into());
}

#[test]
fn attributes_are_those_of_the_moment_of_build() {
    // The dict gets another intercept after BUILD.
    let state =
        [b"}(", &text("coef_")[..], &array(&[1.0]), &text("intercept_"), &float(2.0), b"u\x94"].concat();
    let later = [b"h\x00", &text("intercept_")[..], &float(3.0), b"s0"].concat();
    let body = [&global(RIDGE)[..], b")\x81", &state, b"b", &later].concat();
    assert_eq!(good(&body).intercept, 2.0);
    refused(&[&ridge(&[])[..], b"}b"].concat(), "malformed", "a state is set");
}

#[test]
fn a_pipeline_scales_first() {
    let read = good(&pipeline(&[("s", scaler(&[])), ("m", ridge(&[("alpha", float(1.0))]))]));
    assert_eq!(read.class, "Pipeline(StandardScaler, Ridge)");
    assert_eq!(read.scaling, Some(Scaling { mean: vec![1.0, 2.0], scale: vec![0.5, 4.0] }));
    assert_eq!(read.parameters["alpha"], 1.0);
    let no = || b"\x89".to_vec();
    let none = || b"N".to_vec();
    for (changes, want) in [
        (vec![("with_mean", no()), ("mean_", none())], Some((vec![0.0; 2], vec![0.5, 4.0]))),
        (vec![("with_std", no()), ("scale_", none())], Some((vec![1.0, 2.0], vec![1.0; 2]))),
        (vec![("with_mean", no()), ("with_std", no())], None),
    ] {
        let read = good(&pipeline(&[("s", scaler(&changes)), ("m", ridge(&[]))]));
        assert_eq!(read.scaling.map(|scaling| (scaling.mean, scaling.scale)), want);
    }
    assert_eq!(good(&pipeline(&[("m", ridge(&[]))])).class, "Pipeline(Ridge)");
}

#[test]
fn scalers_in_any_number_are_one() {
    let min_max = |changes: Attributes<'_>| {
        let fitted = [("min_", array(&[-1.0, 0.5])), ("scale_", array(&[0.5, 0.25]))];
        object("sklearn.preprocessing._data.MinMaxScaler", &[&fitted, changes].concat())
    };
    let robust = object(
        "sklearn.preprocessing._data.RobustScaler",
        &[
            ("with_centering", b"\x89".to_vec()),
            ("with_scaling", b"\x88".to_vec()),
            ("scale_", array(&[2.0, 8.0])),
        ],
    );
    let max_abs = object("sklearn.preprocessing._data.MaxAbsScaler", &[("scale_", array(&[4.0, 0.5]))]);
    let identity =
        object("sklearn.preprocessing._function_transformer.FunctionTransformer", &[("func", b"N".to_vec())]);
    let read = |steps: &[Vec<u8>]| {
        let steps: Vec<_> = steps.iter().cloned().chain([ridge(&[])]).map(|step| ("step", step)).collect();
        let scaling = good(&pipeline(&steps)).scaling.unwrap();
        (scaling.mean, scaling.scale)
    };
    // x / 2 - 1 is (x - 2) / 2, and x / 4 + 1 / 2 is (x + 2) / 4.
    assert_eq!(read(&[min_max(&[])]), (vec![2.0, -2.0], vec![2.0, 4.0]));
    assert_eq!(read(std::slice::from_ref(&robust)), (vec![0.0, 0.0], vec![2.0, 8.0]));
    // ((x - 1) / 0.5 - 2) / 2 is (x - 2) / 1, and ((x - 2) / 4 + 2) / 4 is (x + 6) / 16.
    let both = [scaler(&[]), text("passthrough"), identity, min_max(&[])];
    assert_eq!(read(&both), (vec![2.0, -6.0], vec![1.0, 16.0]));
    assert_eq!(read(&[robust, max_abs]), (vec![0.0, 0.0], vec![8.0, 4.0]));
    let refused = |step: Vec<u8>, want| {
        refused(&pipeline(&[("a", step), ("m", ridge(&[]))]), "unsupported_model", want);
    };
    refused(min_max(&[("clip", b"\x88".to_vec())]), "clips (clip=True)");
    refused(min_max(&[("scale_", array(&[0.0, 1.0]))]), "scale_[0] is zero");
    refused(min_max(&[("scale_", array(&[5e-324, 1.0]))]), "scale_[0] is inf");
    let function = [("func", global("numpy.log1p"))];
    let function = object("sklearn.preprocessing._function_transformer.FunctionTransformer", &function);
    refused(function, "applies log1p");
}

const SEARCH: &str = "sklearn.model_selection._search.GridSearchCV";
const TARGET: &str = "sklearn.compose._target.TransformedTargetRegressor";

#[test]
fn what_is_around_a_model_is_read_through() {
    let search = |inner: Vec<u8>| object(SEARCH, &[("best_estimator_", inner)]);
    assert_eq!(good(&search(ridge(&[]))).class, "GridSearchCV(Ridge)");
    let read = good(&search(pipeline(&[("s", scaler(&[])), ("m", search(ridge(&[])))])));
    assert_eq!(read.class, "GridSearchCV(Pipeline(StandardScaler, GridSearchCV(Ridge)))");
    let consensus = object("sklearn.linear_model._ransac.RANSACRegressor", &[("estimator_", ridge(&[]))]);
    assert_eq!(good(&consensus).coefficients, [1.5, -2.0]);
    refused(&object(SEARCH, &[]), "unsupported_model", "the GridSearchCV has no best_estimator_");
    refused(&search(text("x")), "unsupported_model", "best_estimator_ of the GridSearchCV is a str");
    // Seven inside one another are as many as anybody makes; and one can hold itself.
    let deep = (0..7).fold(ridge(&[]), |inner, _| search(inner));
    assert_eq!(good(&deep).intercept, 0.25);
    refused(&search(deep), "too_large", "estimators inside one another");
    // What there is of the fitting is not looked at, however it is made.
    let scores = [&global("numpy.ma.core._mareconstruct")[..], b"(NNtR}b"].concat();
    let folds = [&global("sklearn.model_selection._split.KFold")[..], b")\x81}b"].concat();
    let fitting = [("best_estimator_", ridge(&[])), ("cv_results_", scores), ("cv", folds)];
    assert_eq!(good(&object(SEARCH, &fitting)).intercept, 0.25);
    refused(&global("builtins.getattr"), "refused_global", "builtins.getattr");
    let drawn = object(SEARCH, &[("param_distributions", global("builtins.getattr"))]);
    refused(&drawn, "refused_global", "save the model that GridSearchCV found");
}

#[test]
fn a_scaled_label_is_unscaled_by_the_weights() {
    let target = |changes: Attributes<'_>| object(TARGET, &[&[("regressor_", ridge(&[]))], changes].concat());
    let one = scaler(&[("mean_", array(&[10.0])), ("scale_", array(&[4.0]))]);
    let read = good(&target(&[("transformer_", one)]));
    assert_eq!(read.class, "TransformedTargetRegressor(Ridge, StandardScaler)");
    // (1.5 a - 2 b + 0.25) * 4 + 10
    assert_eq!((read.coefficients, read.intercept), (vec![6.0, -8.0], 11.0));
    let identity =
        || ("transformer_", object("sklearn.preprocessing._function_transformer.FunctionTransformer", &[]));
    assert_eq!(good(&target(&[identity()])).class, "TransformedTargetRegressor(Ridge)");
    for (function, want) in [
        ("numpy.log1p", "predicts the log1p of the label"),
        ("numpy._core._multiarray_umath.log", "helper as h"),
        ("numpy.sqrt", "serve its regressor_ alone, and send labels transformed by sqrt"),
    ] {
        refused(&target(&[identity(), ("func", global(function))]), "unsupported_model", want);
    }
    refused(&target(&[]), "unsupported_model", "has no transformer_");
    refused(&target(&[("func", global("__main__.half"))]), "refused_global", "serve its regressor_ alone");
}

#[test]
fn what_is_not_read_is_shown_a_way_out_of_its_own() {
    let within = |outer: &str, inner: &str| [global(outer), global(inner)].concat();
    for (pickle, want) in [
        (global("sklearn.ensemble._forest.RandomForestRegressor"), "import joblib, numpy, skl2onnx, sys"),
        (global("sklearn.linear_model._glm.glm.PoissonRegressor"), "export it to ONNX"),
        (global("sklearn.ensemble._forest.RandomForestClassifier"), "it is a classifier"),
        (global("sklearn.linear_model._logistic.LogisticRegression"), "it is a classifier"),
        (global("xgboost.sklearn.XGBRegressor"), "convert_xgboost"),
        (global("xgboost.core.Booster"), "m.load_model(joblib.load(sys.argv[1]).save_raw(\"json\"))"),
        (global("lightgbm.sklearn.LGBMRegressor"), "convert_lightgbm"),
        (global("lightgbm.basic.Booster"), "m = joblib.load(sys.argv[1]); open("),
        (global("catboost.core.CatBoostRegressor"), "format=\"onnx\""),
        (global("statsmodels.regression.linear_model.RegressionResultsWrapper"), "convert its weights"),
        (within(TARGET, "sklearn.ensemble._forest.RandomForestRegressor"), "helper as h"),
        (within(TARGET, "sklearn.preprocessing._data.PowerTransformer"), "regressor_ alone predicts"),
        (within(TARGET, "xgboost.sklearn.XGBRegressor"), "regressor_ alone predicts"),
    ] {
        refused(&pickle, "unsupported_class", want);
    }
}

#[test]
fn models_that_cannot_be_used_are_refused() {
    let model = |changes: Attributes<'_>, want| refused(&ridge(changes), "unsupported_model", want);
    let two = [1.0_f64.to_le_bytes(), 2.0_f64.to_le_bytes()].concat();
    model(&[("coef_", array(&[1.0, f64::NAN]))], "coef_[1] is NaN");
    model(&[("coef_", array(&[f64::NEG_INFINITY]))], "coef_[0] is -inf");
    model(&[("coef_", array(&[]))], "no weights");
    model(&[("coef_", array_of("f8", "<", b")", &two[..8]))], "no weights");
    model(&[("coef_", array_of("i8", "<", b"K\x02\x85", &two))], "coef_ is of type i8, not f8 or f4");
    model(&[("coef_", array_of("f8", "<", b"K\x02K\x01\x86", &two))], "predicts 2 targets");
    model(&[("coef_", objects(&[float(1.0)]))], "coef_ is of type O8");
    model(&[("coef_", b"]".to_vec())], "coef_ is a list, not an array");
    model(&[("intercept_", float(f64::INFINITY))], "intercept_[0] is inf");
    model(&[("intercept_", array(&[f64::NAN]))], "intercept_[0] is NaN");
    model(&[("intercept_", array(&two.iter().map(|_| 0.0).collect::<Vec<_>>()))], "not one number");
    model(&[("intercept_", b"N".to_vec())], "not one number");
    model(&[("n_features_in_", b"K\x03".to_vec())], "n_features_in_ is 3 and there are 2 weights");
    model(&[("n_features_in_", b"N".to_vec())], "n_features_in_ is not an int");
    model(&[("feature_names_in_", objects(&[text("a")]))], "feature_names_in_ is not 2 names");
    model(&[("feature_names_in_", objects(&[text("a"), b"K\x01".to_vec()]))], "not 2 names");
    model(&[("feature_names_in_", array(&[1.0, 2.0]))], "not 2 names");
    refused(&object(RIDGE, &[]), "unsupported_model", "the Ridge is not fitted");
    refused(&[&global(RIDGE)[..], b")\x81"].concat(), "unsupported_model", "the Ridge is not fitted");
    refused(&object(RIDGE, &[("coef_", array(&[1.0]))]), "unsupported_model", "not fitted");
    refused(&scaler(&[]), "unsupported_model", "only a StandardScaler");
    refused(&global(RIDGE), "unsupported_model", "it holds a class or function");
    refused(&array(&[1.0]), "unsupported_model", "it holds an array");
    for library in ["sklearn.ensemble._forest.RandomForestRegressor", "xgboost.sklearn.XGBRegressor"] {
        refused(&global(library), "unsupported_class", library);
    }
    refused(&global("sklearn.utils.deprecation.warn"), "refused_global", "sklearn.utils.deprecation.warn");
    refused(&global("joblib.numpy_pickle.NDArrayWrapper"), "unsupported_format", "joblib 0.9");
    refused(b"U\x01a", "unsupported_format", "Python 2");
}

#[test]
fn pipelines_that_cannot_be_used_are_refused() {
    let names = |names: [&str; 2]| ("feature_names_in_", objects(&names.map(text)));
    let step = |changes: Attributes<'_>| ("scale", scaler(changes));
    let model = || ("ridge", ridge(&[]));
    for (steps, want) in [
        (vec![], "has no steps"),
        (vec![step(&[])], "the last step scale of the pipeline is StandardScaler"),
        (
            vec![model(), model()],
            "step ridge of the pipeline is Ridge, and only scalers are supported before the last step",
        ),
        (vec![step(&[]), ("other", scaler(&[]))], "the last step other of the pipeline is StandardScaler"),
        (
            vec![step(&[]), ("other", text("passthrough"))],
            "the last step other of the pipeline is \"passthrough\"",
        ),
        (vec![step(&[]), model(), ("third", ridge(&[]))], "step ridge of the pipeline is Ridge"),
        (vec![("none", text("drop")), model()], "step none of the pipeline is a str"),
        (vec![step(&[("scale_", array(&[1.0, 0.0]))]), model()], "scale_[1] is zero"),
        (vec![step(&[("scale_", array(&[1.0, -0.0]))]), model()], "scale_[1] is zero"),
        (vec![step(&[("scale_", array(&[f64::NAN, 1.0]))]), model()], "scale_[0] is NaN"),
        (vec![step(&[("mean_", array(&[f64::INFINITY, 1.0]))]), model()], "mean_[0] is inf"),
        (vec![step(&[("mean_", array(&[1.0]))]), model()], "mean_ has 1 numbers for 2 weights"),
        (vec![step(&[("scale_", b"N".to_vec())]), model()], "scale_ is None"),
        (vec![step(&[("with_std", b"N".to_vec())]), model()], "with_std is neither True nor False"),
        (vec![step(&[("n_features_in_", b"K\x03".to_vec())]), model()], "n_features_in_ is 3"),
        (vec![("scale", object(SCALER, &[])), model()], "with_mean is neither"),
        (
            vec![step(&[names(["a", "b"])]), ("ridge", ridge(&[names(["b", "a"])]))],
            "disagree on the features' names",
        ),
    ] {
        refused(&pipeline(&steps), "unsupported_model", want);
    }
    let not_pairs = object("sklearn.pipeline.Pipeline", &[("steps", b"]Na".to_vec())]);
    refused(&not_pairs, "unsupported_model", "not pairs");
    refused(&object("sklearn.pipeline.Pipeline", &[]), "unsupported_model", "has no steps");
}
