//! ONNX Runtime's library: found, loaded once, and given models.

use std::env;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use ort::environment::Environment;
use ort::session::Session;
use ort::session::builder::SessionBuilder;
use shared::printable::{printable, within};

use super::OnnxError;

/// The variable that names the library's file; other programs of ONNX Runtime's read it too.
const VARIABLE: &str = "ORT_DYLIB_PATH";
/// What the library is called where the system's loader looks: by itself, and by Debian's package.
const NAMES: [&str; 4] =
    ["libonnxruntime.so", "libonnxruntime.so.1", "libonnxruntime.so.1.21", "libonnxruntime.dylib"];

/// The library allows one environment a process. A library that was not there is looked for again.
static ENVIRONMENT: Mutex<Option<Environment>> = Mutex::new(None);

/// Has the library take a model.
pub(super) fn session(bytes: &[u8]) -> Result<Session, OnnxError> {
    let environment = environment()?;
    let unusable = |why: &str| OnnxError::Unusable(format!("ONNX Runtime refuses it: {}", first_line(why)));
    let builder = Session::builder(&environment).map_err(|why| unusable(why.message()))?;
    let tuned = |builder: SessionBuilder| -> ort::Result<SessionBuilder> {
        // Batches are small and come one after the other: a second thread would mostly wait, and spin meanwhile.
        Ok(builder
            .with_intra_threads(1)?
            .with_inter_threads(1)?
            .with_memory_pattern(false)?
            // A file may say that its weights are in another one, at or below the working folder. Nothing is there.
            .with_config_entry("session.model_external_initializers_file_folder_path", "/nonexistent")?)
    };
    let mut builder = tuned(builder).map_err(|why| unusable(why.message()))?;
    builder.commit_from_memory(bytes).map_err(|why| unusable(why.message()))
}

fn environment() -> Result<Environment, OnnxError> {
    let mut environment = ENVIRONMENT.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(environment) = &*environment {
        return Ok(environment.clone());
    }
    let candidates: Vec<PathBuf> = match env::var_os(VARIABLE).filter(|path| !path.is_empty()) {
        Some(path) => vec![path.into()],
        None => NAMES.map(PathBuf::from).into(),
    };
    let mut tried = Vec::new();
    for path in &candidates {
        match ort::init_from(path) {
            // What the library says to its own log comes back as the error of a call, too.
            Ok(builder) => {
                let quiet = Arc::new(|_, category: &str, _: &str, _: &str, message: &str| {
                    tracing::debug!("ONNX Runtime, {}: {}", printable(category), first_line(message));
                });
                let built = builder.with_name("model").with_logger(quiet).with_telemetry(false).build();
                let built = built.map_err(|why| OnnxError::NoRuntime(first_line(why.message())))?;
                return Ok(environment.insert(built).clone());
            }
            Err(why) => tried.push(first_line(&why.to_string())),
        }
    }
    // Of several names, the first one's failure is as good as any.
    let why = tried.swap_remove(0);
    Err(OnnxError::NoRuntime(format!(
        "it needs ONNX Runtime, which cannot be loaded ({why}); install it (`pip install onnxruntime`, or Debian's package \
         libonnxruntime1.21) and name its libonnxruntime.so in {VARIABLE}; in Docker, build the image's target `onnx`"
    )))
}

/// What the library says is long and has places in its own sources in it: the first line says what is wrong.
pub(super) fn first_line(text: &str) -> String {
    const LONGEST: usize = 300;
    let line = text.lines().find(|line| !line.trim().is_empty()).unwrap_or("it gives no reason").trim();
    within(line, LONGEST)
}
