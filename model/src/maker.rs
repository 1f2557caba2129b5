//! Files that other libraries write by themselves, known by their content whatever they are called, and the way out.

use crate::advice;

/// How much of a file's beginning it takes to know its maker.
pub(crate) const START: usize = 4096;
/// How much of its end, where an archive lists what is in it.
pub(crate) const END: usize = 64 * 1024;

/// How the pickle of a module's weights begins that `torch.save` writes.
const WEIGHTS: &[u8] = b"\x80\x02ccollections\nOrderedDict\n";
/// How that of a dictionary begins, as checkpoints are.
const CHECKPOINT: &[u8] = b"\x80\x02}";
/// How that of an object begins whose class was defined in the program that was started.
const OF_MAIN: &[u8] = b"\x80\x02c__main__\n";
/// How `torch.save` began before its files were archives, and begins again where that is wanted: with a number in a pickle.
const OLD_TORCH: &[u8] = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.";

/// What a file is and what to do with it, where it is known and not read.
pub(crate) fn way_out(bytes: &[u8]) -> Option<String> {
    let start = bytes.get(..START).unwrap_or(bytes);
    way_out_of(start, bytes)
}

/// The same by a file's beginning, and its end or all of it.
pub(crate) fn way_out_of(start: &[u8], end: &[u8]) -> Option<String> {
    let json = start.trim_ascii_start().starts_with(b"{");
    let onnx = |what: &str, line: &str| {
        Some(format!("it is {what}, which cannot be read; export it to ONNX: {line}"))
    };
    match start {
        [b'{', b'L' | b'l' | b'I' | b'i' | b'U', ..] if has(start, b"learner") => {
            onnx("an XGBoost model in UBJSON", &advice::XGBOOST_FILE.replace("model.json", "model.ubj"))
        }
        _ if json && has(start, b"\"learner\"") => onnx("an XGBoost model in JSON", advice::XGBOOST_FILE),
        _ if start.starts_with(b"tree\n") && has(start, b"version=") => {
            onnx("a LightGBM model", advice::LIGHTGBM_FILE)
        }
        _ if json && has(start, b"\"name\":\"tree\"") => Some(format!(
            "it is the output of LightGBM's dump_model, which LightGBM itself cannot load; save the model with \
             save_model(\"model.txt\"), and then: {}",
            advice::LIGHTGBM_FILE
        )),
        _ if start.starts_with(b"CBM1") => onnx("a CatBoost model", advice::CATBOOST),
        _ if start.starts_with(b"PK\x03\x04") => archive(start, end),
        _ if start.starts_with(OLD_TORCH) => Some(module(has(start, WEIGHTS) || has(start, OF_MAIN))),
        _ if start.starts_with(b"\x89HDF") => Some(format!(
            "it is HDF5, as Keras saves models and weights, which is not read; export a model to ONNX: {}; where it has \
             weights alone, load them into the model where that is made, and save it whole first: model.save(\"model.keras\")",
            advice::KERAS.replace("model.keras", "model.h5")
        )),
        _ => None,
    }
}

fn has(bytes: &[u8], word: &[u8]) -> bool {
    bytes.windows(word.len()).any(|window| window == word)
}

/// A zip archive: the names in the list at its end tell who made it.
fn archive(start: &[u8], end: &[u8]) -> Option<String> {
    let list = &end[end.len().saturating_sub(END)..];
    let onnx =
        |what: &str, line: &str| Some(format!("it is {what}, which is not read; export it to ONNX: {line}"));
    if has(list, b"model.weights.h5") && has(list, b"config.json") {
        onnx("a Keras model", advice::KERAS)
    } else if has(list, b"/archive_format") && has(list, b"/models/") {
        onnx("a program of torch.export", advice::TORCH_EXPORT)
    } else if has(list, b"/data.pkl") && has(list, b"/constants.pkl") {
        onnx("TorchScript", advice::TORCH_SCRIPT)
    } else if has(list, b"/data.pkl") {
        Some(module([WEIGHTS, CHECKPOINT, OF_MAIN].iter().any(|begin| has(start, begin))))
    } else {
        None
    }
}

/// What `torch.save` has written: a module, or something that only the program with the module's class can use.
fn module(needs_program: bool) -> String {
    if needs_program {
        return format!(
            "it is of PyTorch's, and has weights, or a module whose class only its own program has; it is not read; export the \
             module to ONNX in that program, with as many FEATURES as it has: {}",
            advice::TORCH_MODULE
        );
    }
    format!(
        "it is a PyTorch model, which is not read; export it to ONNX, in the folder with its class where that is yours: {}",
        advice::TORCH
    )
}

#[cfg(test)]
mod tests {
    use super::way_out;

    #[test]
    fn makers_are_known_by_content() {
        for (bytes, want) in [
            (&b"{\"learner\":{\"attributes\":{}}"[..], "an XGBoost model in JSON"),
            (b" {\n  \"version\": [3, 2, 0],\n  \"learner\": {", "an XGBoost model in JSON"),
            (
                b"{L\0\0\0\0\0\0\0\x07learner{L",
                "UBJSON, which cannot be read; export it to ONNX: pip install onnxmltools",
            ),
            (b"tree\nversion=v4\nnum_class=1\n", "a LightGBM model, which"),
            (b"{\"name\":\"tree\",\"version\":\"v4\"", "dump_model"),
            (b"CBM1\x10\0", "a CatBoost model"),
            (b"PK\x03\x04\0\0\0\0model/data.pkl", "a PyTorch model"),
            (b"PK\x03\x04\0\0\0\0m/data/0 m/data.pkl m/constants.pkl", "it is TorchScript"),
            (b"PK\x03\x04config.json metadata.json model.weights.h5", "a Keras model"),
            (b"\x89HDF\r\n", "Keras"),
        ] {
            let said = way_out(bytes).unwrap();
            assert!(said.contains(want) && !said.contains('\n'), "{said}");
        }
        for bytes in [
            &b""[..],
            b"{}",
            b"{\"format\": \"pipeline-model\"}",
            b"\x80\x04",
            b"\x08\x08\x12",
            b"PK\x03\x04",
            b"PK\x03\x04schema.json",
        ] {
            assert_eq!(way_out(bytes), None);
        }
    }
}
