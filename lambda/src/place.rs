//! Which model file the function has: the one that is named, or the one in its package, or the one in a layer. It is loaded once at
//! the start, with the checks that a swap makes; another model is another deployment.

use std::path::{Path, PathBuf};

use model::load::{Loaded, Loader};

use crate::failure::Failure;

/// What a packaged model file is called.
const NAME: &str = "model.json";
/// Where Lambda puts the content of layers.
const LAYERS: &str = "/opt";

/// Loads it.
pub(crate) fn load(named: Option<PathBuf>) -> Result<(PathBuf, Loaded), Failure> {
    let program = std::env::current_exe().ok();
    let file = file(named, program.as_deref().and_then(Path::parent), Path::exists)
        .map_err(|why| Failure::new(Failure::INIT, why))?;
    match Loader::default().load(&file) {
        Ok(loaded) => Ok((file, loaded)),
        Err(why) => {
            let what = "package a model file that `model check` takes, or name another one in PIPELINE_MODEL";
            Err(Failure::new(Failure::INIT, format!("{why}; {what}")))
        }
    }
}

/// Finds it. `is_there` looks.
fn file(
    named: Option<PathBuf>,
    package: Option<&Path>,
    is_there: impl Fn(&Path) -> bool,
) -> Result<PathBuf, String> {
    if let Some(named) = named {
        return Ok(named);
    }
    let places: Vec<PathBuf> =
        package.into_iter().chain([Path::new(LAYERS)]).map(|folder| folder.join(NAME)).collect();
    places.iter().find(|place| is_there(place)).cloned().ok_or_else(|| {
        let places: Vec<String> = places.iter().map(|place| place.display().to_string()).collect();
        format!(
            "there is no model: put {NAME} into the package beside bootstrap, or into a layer, or name a file in PIPELINE_MODEL \
             (looked for {})",
            places.join(" and ")
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_named_file_goes_before_the_package_and_that_before_a_layer() {
        let (task, opt) = ("/var/task/model.json", "/opt/model.json");
        for (named, there, wanted) in [
            (Some("other.pkl"), &[task, opt][..], Some("other.pkl")),
            (None, &[task, opt], Some(task)),
            (None, &[opt], Some(opt)),
            (None, &[], None),
        ] {
            let is_there = |path: &Path| there.iter().any(|there| Path::new(there) == path);
            let found = file(named.map(PathBuf::from), Some(Path::new("/var/task")), is_there);
            assert_eq!(found.as_deref().ok(), wanted.map(Path::new));
            if let Err(why) = found {
                assert!(why.ends_with("(looked for /var/task/model.json and /opt/model.json)"), "{why}");
            }
        }
    }
}
