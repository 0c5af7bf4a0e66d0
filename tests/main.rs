//! The end-to-end tests: one binary, one module a subject.

mod command_line;
mod common;
mod conn;
mod control;
mod cutover;
mod docs;
mod hints;
mod hostile;
mod lab;
mod preflight_objects;
mod preflight_roles;
mod preflight_running;
mod preflight_server;
mod preflight_tool;
mod scripts;
mod secrets;
mod seqsync;
mod setup;
mod status;
mod teardown;
mod verify;
mod verify_fix;
mod verify_gallery;
mod verify_live;
mod verify_proof;
mod verify_values;
