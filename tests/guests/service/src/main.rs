//! A service guest (`wasi:cli/run`). The environment says what it does; `../README.md` has the table.

use std::env;
use std::hint::black_box;
use std::io::{self, BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::process::exit;

fn main() -> io::Result<()> {
    let setting = |name: &str, default: &str| env::var(name).unwrap_or_else(|_| default.to_owned());
    match setting("MODE", "echo").as_str() {
        "echo" => echo(&setting("LISTEN", "127.0.0.1:7777")),
        "exit" => {
            println!("leaving as told");
            exit(i32::from(setting("CODE", "0") != "0"))
        }
        "crash" => panic!("crashed as told"),
        "spin" => spin(),
        "bomb" => bomb(),
        other => {
            eprintln!("MODE={other} is unknown: echo, exit, crash, spin or bomb");
            exit(1)
        }
    }
}

/// Sends each line back, one connection after the other, for ever.
fn echo(address: &str) -> io::Result<()> {
    let listener = TcpListener::bind(address)?;
    println!("listening on {address}");
    loop {
        let (connection, _) = listener.accept()?;
        // A client that leaves in the middle of a line is no reason to end.
        let _ = echo_lines(connection);
    }
}

/// Keeps a core busy for ever.
fn spin() -> ! {
    let mut turn = 0_u64;
    loop {
        turn = black_box(turn.wrapping_add(1));
    }
}

/// Takes memory until there is no more, which traps.
fn bomb() -> ! {
    let mut held = Vec::new();
    loop {
        held.push(vec![1_u8; 1 << 20]);
        black_box(&held);
    }
}

fn echo_lines(connection: TcpStream) -> io::Result<()> {
    let mut out = connection.try_clone()?;
    for line in BufReader::new(connection).lines() {
        writeln!(out, "{}", line?)?;
    }
    Ok(())
}
