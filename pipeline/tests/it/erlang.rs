//! What an administrator does to users and vhosts, in the language of the broker: many steps in one call of its tool.

use shared::transport::administration::Rights;

/// The user on whose behalf all is done, and who may do everything.
const TEST: &str = "<<\"test\">>";

/// A text, which has no quotes in it.
fn text(text: &str) -> String {
    format!("<<\"{}\">>", text.replace('\\', r"\\"))
}

/// Makes a user, whose password is `secret`.
pub fn with_user(user: &str) -> String {
    format!("rabbit_auth_backend_internal:add_user({}, <<\"secret\">>, {TEST})", text(user))
}

/// Removes a user, where there is one.
pub fn without_user(user: &str) -> String {
    format!("catch rabbit_auth_backend_internal:delete_user({}, {TEST})", text(user))
}

/// Gives a user rights in the vhost `test`.
pub fn with_rights(rights: &Rights) -> String {
    permit(rights.user, "test", [&rights.configure, &rights.write, &rights.read])
}

/// Makes a vhost, in which `test` may do everything.
pub fn with_vhost(vhost: &str) -> String {
    let make = format!("rabbit_vhost:add({}, {TEST})", text(vhost));
    format!("{make}, {}", permit("test", vhost, [".*"; 3]))
}

/// Removes a vhost with everything in it, where there is one.
pub fn without_vhost(vhost: &str) -> String {
    format!("catch rabbit_vhost:delete({}, {TEST})", text(vhost))
}

fn permit(user: &str, vhost: &str, [configure, write, read]: [&str; 3]) -> String {
    let all = [user, vhost, configure, write, read].map(text).join(", ");
    format!("rabbit_auth_backend_internal:set_permissions({all}, {TEST})")
}
