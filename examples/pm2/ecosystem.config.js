// openwa-manager under PM2, for a host that has PM2 anyway: `pm2 start ecosystem.config.js && pm2 save`.
// systemd (systemd/README.md) or launchd (launchd/README.md) know more: readiness, a watchdog, a sandbox.
module.exports = {
  apps: [
    {
      name: "openwa-manager",
      script: process.env.MANAGER_PROGRAM || "/opt/openwa-manager/bin/openwa-manager",
      args: "serve",
      interpreter: "none",
      exec_mode: "fork", // one daemon for each home: a second one refuses to start
      // By default PM2 ends the whole tree below a program. That is every engine, at each `pm2 restart`: all sessions
      // would go down and link anew. With false it ends the daemon alone; the next one takes the living engines up.
      treekill: false,
      // The daemon posts what is on its way before it ends; PM2 kills after 1.6 s unless told otherwise.
      kill_timeout: 20000,
      // Exit code 78: only a person can go on (settings that are wrong, say); the log says what to do.
      // No restart_delay beside it: with one PM2 7 says "waiting restart" of what it has stopped for good.
      stop_exit_codes: [78],
      max_restarts: 1000000, // never give up on it: its engines go on meanwhile
      watch: false,
      merge_logs: true,
      env: {
        OPENWA_MANAGER_HOME: process.env.OPENWA_MANAGER_HOME || "/opt/openwa",
      },
    },
  ],
};
