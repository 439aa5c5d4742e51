//! A real Prometheus that scrapes the daemon twice a second, and may write to it what it scrapes.

use crate::support::components::program;
use crate::support::eventually::{PATIENCE, eventually};
use crate::support::http;
use crate::support::ports::free_port;
use crate::support::process::Process;
use crate::support::scratch::Scratch;
use std::process::Command;

/// A running Prometheus with one target.
#[derive(Debug)]
pub(crate) struct Prometheus {
    port: u16,
    _process: Process,
    _scratch: Scratch,
}

impl Prometheus {
    /// Scrapes `/metrics` on that port of 127.0.0.1.
    pub(crate) fn scraping(target: u16) -> Self {
        Self::scraping_with(target, "")
    }

    /// [`Prometheus::scraping`] with further lines of its `scrape_config`, such as how to show who
    /// it is.
    pub(crate) fn scraping_with(target: u16, lines: &str) -> Self {
        let port = free_port();
        Self::start(port, &format!("{}{lines}", scrape(&[target])))
    }

    /// Scrapes itself and the daemon on that port, and writes all of it to that daemon.
    pub(crate) fn writing(target: u16) -> Self {
        let port = free_port();
        let config = format!(
            "{}\
             remote_write:\n\
             - url: http://127.0.0.1:{target}/api/v1/write\n  \
               queue_config: {{ batch_send_deadline: 200ms, min_backoff: 100ms }}\n",
            scrape(&[port, target])
        );
        Self::start(port, &config)
    }

    fn start(port: u16, config: &str) -> Self {
        let scratch = Scratch::new("prometheus");
        let config = scratch.write("prometheus.yml", config);
        let mut command = Command::new(program("prometheus"));
        command
            .arg(format!("--config.file={}", config.display()))
            .arg(format!("--storage.tsdb.path={}", scratch.path().join("data").display()))
            .arg(format!("--web.listen-address=127.0.0.1:{port}"));
        let process = Process::start(&mut command, &scratch.path().join("prometheus.log"));
        eventually("Prometheus is ready", PATIENCE, || match http::get(port, "/-/ready")? {
            answer if answer.status == 200 => Ok(()),
            answer => Err(format!("{answer:?}")),
        });
        Self { port, _process: process, _scratch: scratch }
    }

    /// The value of an instant query that gives one series.
    pub(crate) fn query(&self, expression: &str) -> Result<f64, String> {
        let path = format!("/api/v1/query?query={}", http::encode(expression));
        let answer = http::get(self.port, &path)?.json()?;
        answer
            .pointer("/data/result/0/value/1")
            .and_then(serde_json::Value::as_str)
            .and_then(|value| value.parse().ok())
            .ok_or_else(|| format!("{expression}: {answer}"))
    }
}

fn scrape(targets: &[u16]) -> String {
    let targets: Vec<_> = targets.iter().map(|port| format!("\"127.0.0.1:{port}\"")).collect();
    let targets = targets.join(", ");
    format!(
        "scrape_configs:\n\
         - job_name: vigie\n  \
           scrape_interval: 500ms\n  \
           scrape_timeout: 500ms\n  \
           static_configs: [{{ targets: [{targets}] }}]\n"
    )
}
