//! What to do with a model that is not read: lines to be pasted, each of which the tests carry out as it stands here.

/// Makes one line of Python's out of a program that reads `sys.argv[1]` and writes `sys.argv[2]`.
macro_rules! line {
    ($packages:literal, $program:literal, $from:literal, $to:literal) => {
        concat!("pip install ", $packages, "; python3 -c '", $program, "' ", $from, " ", $to)
    };
}

/// For whatever skl2onnx knows.
pub(crate) const SKLEARN: &str = line!(
    "skl2onnx",
    r#"import joblib, numpy, skl2onnx, sys; m = joblib.load(sys.argv[1]); m = getattr(m, "best_estimator_", m); x = numpy.zeros((1, m.n_features_in_), "f4"); open(sys.argv[2], "wb").write(skl2onnx.to_onnx(m, x).SerializeToString())"#,
    "model.pkl",
    "model.onnx"
);

/// For XGBoost's models, alone or as the last step of a pipeline.
pub(crate) const XGBOOST: &str = line!(
    "onnxmltools skl2onnx xgboost",
    r#"import joblib, numpy, skl2onnx as s, sys, xgboost; from onnxmltools.convert.xgboost.operator_converters.XGBoost import convert_xgboost as c; from skl2onnx.common.shape_calculator import calculate_linear_regressor_output_shapes as o; s.update_registered_converter(xgboost.XGBRegressor, "XGB", o, c); m = joblib.load(sys.argv[1]); m = getattr(m, "best_estimator_", m); b = m[-1] if hasattr(m, "steps") else m; b.get_booster().feature_names = None; x = numpy.zeros((1, m.n_features_in_), "f4"); open(sys.argv[2], "wb").write(s.to_onnx(m, x, target_opset={"": 15, "ai.onnx.ml": 3}).SerializeToString())"#,
    "model.pkl",
    "model.onnx"
);

/// For what XGBoost saves by itself.
pub(crate) const XGBOOST_FILE: &str = line!(
    "onnxmltools skl2onnx xgboost",
    r#"import sys, xgboost; from onnxmltools import convert_xgboost as c; from onnxmltools.convert.common.data_types import FloatTensorType as F; m = xgboost.XGBRegressor(); m.load_model(sys.argv[1]); m.get_booster().feature_names = None; open(sys.argv[2], "wb").write(c(m, initial_types=[("x", F([None, m.n_features_in_]))]).SerializeToString())"#,
    "model.json",
    "model.onnx"
);

/// For XGBoost's raw Booster, in a pickle.
pub(crate) const XGBOOST_BOOSTER: &str = line!(
    "joblib onnxmltools skl2onnx xgboost",
    r#"import joblib, sys, xgboost; from onnxmltools import convert_xgboost as c; from onnxmltools.convert.common.data_types import FloatTensorType as F; m = xgboost.XGBRegressor(); m.load_model(joblib.load(sys.argv[1]).save_raw("json")); m.get_booster().feature_names = None; open(sys.argv[2], "wb").write(c(m, initial_types=[("x", F([None, m.n_features_in_]))]).SerializeToString())"#,
    "model.pkl",
    "model.onnx"
);

/// For LightGBM's models, alone or as the last step of a pipeline.
pub(crate) const LIGHTGBM: &str = line!(
    "onnxmltools skl2onnx lightgbm",
    r#"import joblib, lightgbm, numpy, skl2onnx as s, sys; from onnxmltools.convert.lightgbm.operator_converters.LightGbm import convert_lightgbm as c; from skl2onnx.common.shape_calculator import calculate_linear_regressor_output_shapes as o; s.update_registered_converter(lightgbm.LGBMRegressor, "LGBM", o, c, options={"split": None}); m = joblib.load(sys.argv[1]); m = getattr(m, "best_estimator_", m); x = numpy.zeros((1, m.n_features_in_), "f4"); open(sys.argv[2], "wb").write(s.to_onnx(m, x, target_opset={"": 15, "ai.onnx.ml": 3}).SerializeToString())"#,
    "model.pkl",
    "model.onnx"
);

/// For what LightGBM saves by itself.
pub(crate) const LIGHTGBM_FILE: &str = line!(
    "onnxmltools skl2onnx lightgbm",
    r#"import lightgbm, sys; from onnxmltools import convert_lightgbm as c; from onnxmltools.convert.common.data_types import FloatTensorType as F; m = lightgbm.Booster(model_file=sys.argv[1]); open(sys.argv[2], "wb").write(c(m, initial_types=[("x", F([None, m.num_feature()]))]).SerializeToString())"#,
    "model.txt",
    "model.onnx"
);

/// For LightGBM's raw Booster, in a pickle.
pub(crate) const LIGHTGBM_BOOSTER: &str = line!(
    "joblib onnxmltools skl2onnx lightgbm",
    r#"import joblib, lightgbm, sys; from onnxmltools import convert_lightgbm as c; from onnxmltools.convert.common.data_types import FloatTensorType as F; m = joblib.load(sys.argv[1]); open(sys.argv[2], "wb").write(c(m, initial_types=[("x", F([None, m.num_feature()]))]).SerializeToString())"#,
    "model.pkl",
    "model.onnx"
);

/// For a label that was fitted as its log or log1p: the regressor as ONNX, and what undoes the transformation after it.
pub(crate) const LOG_TARGET: &str = line!(
    "skl2onnx",
    r#"import joblib, numpy, skl2onnx, sys; from onnx import helper as h, numpy_helper as n; t = joblib.load(sys.argv[1]); k = "f8" if hasattr(t.regressor_, "coef_") else "f4"; m = skl2onnx.to_onnx(t.regressor_, numpy.zeros((1, t.regressor_.n_features_in_), k)); g = m.graph; g.node.extend([h.make_node("Exp", [g.output[0].name], ["exp"]), h.make_node("Sub", ["exp", "one"], ["prediction"])]); g.initializer.append(n.from_array(numpy.array([1 - t.inverse_func(0.0)], k), "one")); g.output[0].name = "prediction"; open(sys.argv[2], "wb").write(m.SerializeToString())"#,
    "model.pkl",
    "model.onnx"
);

/// For a label that was transformed otherwise.
pub(crate) const OTHER_TARGET: &str = line!(
    "joblib",
    r#"import joblib, sys; joblib.dump(joblib.load(sys.argv[1]).regressor_, sys.argv[2])"#,
    "model.pkl",
    "inner.pkl"
);

/// For what a search has found.
pub(crate) const BEST: &str = line!(
    "joblib",
    r#"import joblib, sys; joblib.dump(joblib.load(sys.argv[1]).best_estimator_, sys.argv[2])"#,
    "model.pkl",
    "best.pkl"
);

/// For least squares of statsmodels': the same weights as scikit-learn has them.
pub(crate) const STATSMODELS: &str = line!(
    "scikit-learn statsmodels",
    r#"import joblib, numpy, sys; from sklearn.linear_model import LinearRegression; r = joblib.load(sys.argv[1]); p = dict(zip(r.model.exog_names, numpy.asarray(r.params))); m = LinearRegression(); m.intercept_ = float(p.pop("const", p.pop("Intercept", 0.0))); m.coef_ = numpy.array(list(p.values())); m.n_features_in_ = len(p); m.feature_names_in_ = numpy.array(list(p), object); joblib.dump(m, sys.argv[2])"#,
    "model.pkl",
    "linear.pkl"
);

/// For CatBoost's models, saved by itself or in a pickle.
pub(crate) const CATBOOST: &str = line!(
    "catboost",
    r#"import catboost, sys; m = catboost.CatBoost(); m.load_model(sys.argv[1]); m.save_model(sys.argv[2], format="onnx")"#,
    "model.cbm",
    "model.onnx"
);

/// As [`CATBOOST`], from a pickle.
pub(crate) const CATBOOST_PICKLE: &str = line!(
    "catboost joblib",
    r#"import joblib, sys; joblib.load(sys.argv[1]).save_model(sys.argv[2], format="onnx")"#,
    "model.pkl",
    "model.onnx"
);

/// For an ONNX model in several files.
pub(crate) const ONE_FILE: &str = line!(
    "onnx",
    r#"import onnx, sys; onnx.save_model(onnx.load(sys.argv[1]), sys.argv[2])"#,
    "model.onnx",
    "one.onnx"
);

/// For a module of PyTorch's that was saved whole. This and the next three need libraries that are too large for the test
/// script: they were carried out by hand, as `model/tests/tried` has it.
pub(crate) const TORCH: &str = line!(
    "onnx onnxscript torch",
    r#"import sys, torch; m = torch.load(sys.argv[1], map_location="cpu", weights_only=False).eval(); w = next(p for p in m.parameters() if p.dim() == 2); x = torch.zeros(1, w.shape[1], dtype=w.dtype); torch.onnx.export(m, (x,), sys.argv[2], dynamo=False, input_names=["x"], dynamic_axes={"x": {0: "rows"}})"#,
    "model.pt",
    "model.onnx"
);

/// For TorchScript.
pub(crate) const TORCH_SCRIPT: &str = line!(
    "onnx onnxscript torch",
    r#"import sys, torch; m = torch.jit.load(sys.argv[1], map_location="cpu").eval(); w = next(p for p in m.parameters() if p.dim() == 2); x = torch.zeros(1, w.shape[1], dtype=w.dtype); torch.onnx.export(m, (x,), sys.argv[2], dynamo=False, input_names=["x"], dynamic_axes={"x": {0: "rows"}})"#,
    "model.pt",
    "model.onnx"
);

/// For what torch.export.save writes.
pub(crate) const TORCH_EXPORT: &str = line!(
    "onnx onnxscript torch",
    r#"import sys, torch; torch.onnx.export(torch.export.load(sys.argv[1]), (), sys.argv[2], external_data=False)"#,
    "model.pt2",
    "model.onnx"
);

/// For weights of PyTorch's alone, in the program that has the module; for as many features as it has.
pub(crate) const TORCH_MODULE: &str = r#"torch.onnx.export(model.eval(), (torch.zeros(1, FEATURES),), "model.onnx", dynamo=False, input_names=["x"], dynamic_axes={"x": {0: "rows"}})"#;

/// For what Keras saves. By way of TensorFlow's form: what Keras itself exports to ONNX lacks the numbers of a Normalization.
pub(crate) const KERAS: &str = line!(
    "tensorflow tf2onnx",
    r#"import keras, subprocess, sys, tempfile; d = tempfile.mkdtemp(); keras.saving.load_model(sys.argv[1], compile=False).export(d); subprocess.run([sys.executable, "-m", "tf2onnx.convert", "--saved-model", d, "--output", sys.argv[2]], check=True)"#,
    "model.keras",
    "model.onnx"
);
