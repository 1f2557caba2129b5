//! Lets a program that a container starts as root work as the person whose folder it was given, so that what it
//! writes there is theirs. An image without a shell has no other way to do that.

#[cfg(target_os = "linux")]
mod linux;

#[cfg(target_os = "linux")]
pub use linux::work_as_owner_of;

/// Containers are Linux; elsewhere there is nobody to become.
///
/// # Errors
/// Always.
#[cfg(not(target_os = "linux"))]
pub fn work_as_owner_of(_: &std::path::Path, _: &std::path::Path) -> anyhow::Result<()> {
    anyhow::bail!("--run-as-owner-of is for containers, and works on Linux alone")
}
