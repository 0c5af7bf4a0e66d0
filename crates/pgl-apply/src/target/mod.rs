//! What is done on the target beside schema, copy and subscription.

mod database;
mod finish;
mod foreign_keys;
mod properties;
mod roles;

pub use database::{Locale, create_database, create_sql, locale};
pub use finish::{
    analyze, analyze_catalogs, matviews, quiet_triggers, quiet_triggers_sql, unanalyzed, unfilled,
};
pub use foreign_keys::foreign_keys;
pub use properties::{Carry, Properties, Property, lasting_properties, properties, try_properties};
pub use roles::{Missing, MissingRole, missing, roles, roles_missing, roles_sql, try_roles};
