"""A build is installed beside all others, whole or not at all, and no session notices."""

import os

import pytest

from openwa_manager.host.builds.trees import remove_tree
from openwa_manager.processes.confinement import landlock, seccomp
from tests.e2e.builds.host import Host, processes_below
from tests.e2e.builds.trees import commit_to, write_built, write_source
from tests.e2e.peers.daemon import eventually

#: Asks the daemon for its sessions through its own socket, where its user needs no key.
ASK = """
const [fs, http] = [require('node:fs'), require('node:http')];
const told = (what) => fs.writeFileSync('answered', String(what));
http.get({ socketPath: '%s', path: '/v1/sessions' }, (answer) => told(answer.statusCode)).on('error', told);
"""


def test_a_folder_with_openwas_source_is_copied_and_built(host: Host) -> None:
    source = write_source(host.folder / "source", "0.23.0")
    (source / ".env").write_text("API_KEY=secret")

    build = host.install(path=str(source))

    assert (build["version"], build["state"], build["openwa_version"], build["error"]) == (
        "0.23.0",
        "ready",
        "0.23.0",
        None,
    )
    assert host.folders == ["0.23.0"]
    place = host.daemon.home / "builds" / "0.23.0"
    assert (place / "dist" / "main.js").is_file()
    assert not (place / ".env").exists()
    assert place.stat().st_mode & 0o222 == 0
    assert (place / "package.json").stat().st_mode & 0o222 == 0


def test_a_tree_that_is_built_already_is_taken_as_it_is(host: Host) -> None:
    built = write_built(host.folder / "built", "0.23.1")
    (built / "package-lock.json").unlink()  # npm would refuse it

    assert host.install(path=str(built), name="ours")["state"] == "ready"

    assert host.folders == ["ours"]


def test_a_tag_of_a_repository_is_fetched_and_built(host: Host) -> None:
    repository = host.folder / "openwa.git"
    commit_to(repository, write_source(host.folder / "source", "0.23.1"), "v0.23.1")

    build = host.install(git=f"file://{repository}#v0.23.1")

    assert (build["version"], build["state"], build["source"]) == ("0.23.1", "ready", f"file://{repository}#v0.23.1")
    assert not (host.daemon.home / "builds" / "0.23.1" / ".git").exists()


def test_a_version_is_a_tag_of_the_repository_in_the_settings(host: Host) -> None:
    repository = host.folder / "openwa.git"
    commit_to(repository, write_source(host.folder / "source", "0.23.1"), "v0.23.1")
    host.daemon.terminate()
    host.daemon.start(settings={"OPENWA_REPOSITORY": f"file://{repository}"})

    assert host.install(version="0.23.1")["state"] == "ready"

    assert host.install(version="0.99.0")["state"] == "failed"
    assert "couldn't find remote ref" in str(host.build("0.99.0")["error"])
    assert host.folders == ["0.23.1"]


def test_what_git_could_take_for_an_option_or_run_is_refused(host: Host) -> None:
    url = f"file://{host.folder}/openwa.git"
    bad = [
        *(f"{url}#--upload-pack=touch", f"{url}#a:b", f"{url}#+a", f"{url}#a..b", f"{url}#", url),
        *("ext::sh -c id#main", "http://example.com/a#main", "--upload-pack=id#main", "ssh://-oProxyCommand=id/a#main"),
        *("https://user:secret@example.com/a#main", "https://token@example.com/a#main", "file://other/a#main"),
        *(f"{url}\u202e#main", f"{url}\x9b#main", f"{url}\u200b#main", f"{url}#ma\u200bin"),
    ]

    assert {each: host.begin(git=each).status for each in bad} == dict.fromkeys(bad, 422)
    assert host.begin(git=f"{url}#main", version="0.1.0").status == 422
    assert host.begin(path=str(host.folder / "nothing")).status == 422
    assert host.begin(path=str(host.folder)).status == 422
    (host.folder / "link").symlink_to(host.daemon.home)
    write_built(host.daemon.home / "builds" / "lies", "0.23.0")
    assert "folder of builds" in str(host.begin(path=str(host.folder / "link" / "builds" / "lies")).raw)
    remove_tree(host.daemon.home / "builds" / "lies")
    assert host.begin(git=f"{url}#main", name="../x").status == 422
    assert host.begin(git=f"{url}#main", name="default").status == 422
    assert host.begin(git=f"{url}#main", name="a\u202eb").status == 422
    assert host.begin(path=f"{host.folder}/a\u200b").status == 422


def test_a_pipe_in_place_of_a_file_is_not_waited_for(host: Host) -> None:
    folder = host.folder / "pipe"
    folder.mkdir()
    os.mkfifo(folder / "package.json")
    source = write_source(host.folder / "source", "0.23.0", postinstall="rm openapi.json; mkfifo openapi.json")

    assert host.begin(path=str(folder)).status == 422

    assert "nothing else" in str(host.install(path=str(source))["error"])
    assert host.folders == []


def test_a_build_that_fails_says_why_and_leaves_nothing(host: Host) -> None:
    source = write_source(host.folder / "source", "0.23.0", build="echo this goes wrong; exit 7")

    build = host.install(path=str(source))

    assert build["state"] == "failed"
    assert "build OpenWA: npm ended with exit code 7" in str(build["error"])
    assert "this goes wrong" in str(build["error"])
    assert host.folders == []
    assert host.install(path=str(write_built(host.folder / "built", "0.23.0")))["state"] == "ready"


def test_a_build_must_be_openwa_for_this_host(host: Host) -> None:
    old = host.install(path=str(write_built(host.folder / "old", "0.2.0")))
    new = host.install(path=str(write_built(host.folder / "new", "0.99.0")))
    demanding = write_built(host.folder / "demanding", "0.23.1")
    (demanding / "package.json").write_text('{"version": "0.23.1", "engines": {"node": ">=99"}}')
    demanded = host.install(path=str(demanding))

    assert (old["state"], new["state"], demanded["state"]) == ("failed", "ready", "failed")
    assert "is too old" in str(old["error"])
    assert "newer than what was tested" in str(new["warnings"])
    assert "needs Node.js 99.0.0 or later" in str(demanded["error"])


@pytest.mark.skipif(
    landlock.abi() < landlock.SCOPES_SINCE or not seccomp.is_known(os.uname().machine),
    reason="this kernel cannot forbid all of it",
)
def test_what_strangers_scripts_do_stays_in_the_folder_of_the_build(host: Host) -> None:
    outside, secret = host.folder / "outside", host.daemon.home / "admin.key"
    tries = f"touch {outside}; touch {host.daemon.home}/builds/x; cat {secret} > stolen; chmod 644 {secret}"
    lives_on = "(setsid env -i /bin/sleep 600 >/dev/null 2>&1 &)"
    source = write_source(
        host.folder / "source", "0.23.0", postinstall=f"{tries}; env > seen; {lives_on}; env -i $(which node) ask.js"
    )
    (source / "ask.js").write_text(ASK % str(host.daemon.home / "run" / "manager.sock"))

    build = host.install(path=str(source))

    assert build["state"] == "ready", build
    place = host.daemon.home / "builds" / "0.23.0"
    assert not outside.exists()
    assert host.folders == ["0.23.0"]
    assert (place / "stolen").read_text() == ""
    assert secret.stat().st_mode & 0o777 == 0o600
    assert (place / "answered").read_text() == "403"
    assert "OPENWA_MANAGER_NODE" not in (place / "seen").read_text()
    assert "PUPPETEER_SKIP_DOWNLOAD=1" in (place / "seen").read_text()
    assert processes_below(host.daemon.home / "builds") == []


def test_a_daemon_that_is_killed_meanwhile_leaves_no_half_build_and_nothing_running(host: Host) -> None:
    source = write_source(host.folder / "source", "0.23.0", postinstall="touch begun; exec sleep 600")
    begun = host.begin(path=str(source))
    eventually(lambda: any((host.daemon.home / "builds").glob(".install-*/tree/begun")), within_s=60.0)

    host.daemon.kill()
    host.daemon.start()

    build = host.until_installed(begun.text("version"))
    assert build["state"] == "failed"
    assert "install it again" in str(build["error"])
    assert eventually(lambda: host.folders == [])
    assert processes_below(host.daemon.home / "builds") == []
    (host.folder / "source" / "package.json").write_text(
        (write_source(host.folder / "s", "0.23.0") / "package.json").read_text()
    )
    assert host.install(path=str(source))["state"] == "ready"


def test_an_installation_can_be_given_up(host: Host) -> None:
    source = write_source(host.folder / "source", "0.23.0", postinstall="touch begun; exec sleep 600")
    host.begin(path=str(source))
    eventually(lambda: any((host.daemon.home / "builds").glob(".install-*/tree/begun")), within_s=60.0)

    again = host.begin(path=str(source))
    removed = host.daemon.ask("DELETE", "/v1/builds/0.23.0")

    assert (again.status, removed.status) == (409, 204)
    assert host.daemon.ask("GET", "/v1/builds/0.23.0").status == 404
    assert host.folders == []
    assert processes_below(host.daemon.home / "builds") == []


def test_no_session_notices_an_installation(host: Host) -> None:
    host.connect("a", "b")
    before = host.daemon.registry()

    host.install(path=str(write_source(host.folder / "source", "0.23.0")))

    assert host.daemon.registry() == before
    assert host.running(["a", "b"]) == {"a": ("connected", "openwa_home"), "b": ("connected", "openwa_home")}
