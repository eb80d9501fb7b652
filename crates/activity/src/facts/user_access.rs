//! User Access Logging: which roles of a server its clients used.

use super::facts;
use crate::channel::UAL;

/// GUID of the role of a domain controller, which everybody uses who logs on anywhere.
pub const DIRECTORY: &str = "ad495fc3-0eaa-413d-ba7d-8b13fa7ec598";

facts! {
    /// An account used a role of the server from an address: for the first or the last time, or on a day.
    RoleUse = [(UAL, 0)] {
        dated_by: text = "dated_by",
        role_guid: text = "RoleGuid",
        role_name: text = "RoleName",
        address: text = "Address",
        user: text = "AuthenticatedUserName",
    }
}
