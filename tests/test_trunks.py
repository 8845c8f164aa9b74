"""`opbx trunks list` and `trunks show`: which trunks, in which order, in which form."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from typing import Any

import pytest

from opbx_cli.sandbox.server import RunningSandbox
from support import Opbx
from terminal import shown_on_terminal

COLUMNS = "id,uuid,name,direction,ip,port,transport,prefix,metric,active"
FIELDS = {
    "id",
    "uuid",
    "name",
    "ip",
    "port",
    "transport",
    "prefix",
    "direction",
    "metric",
    "active",
    "allow_global",
    "global_prefix",
    "created_at",
    "modified_at",
    "authentication",
    "profile_keys",
}
UUID = "0b5f2f0a-1111-4222-8333-44445555{:04x}"


def trunk(number: int, **values: object) -> dict[str, object]:
    return {"id": number, "uuid": UUID.format(number), "name": f"trunk-{number}", **values}


def names(outcome: Any) -> list[str]:
    return [entry["name"] for entry in outcome.document["trunks"]]


def test_off_a_terminal_a_trunk_is_one_line_with_tabs_and_never_cut(
    storeless: Opbx, sandbox: RunningSandbox
) -> None:
    long = "x" * 255  # more of a name is cut where it comes in
    sandbox.state.replace_trunks(
        [
            trunk(7, name=long, ip="198.51.100.1", port="5060", transport="tls", metric=2)
            | {"direction": "outbound", "prefix": "9", "active": False},
            trunk(8, direction="public-outbound", metric=1),
        ]
    )
    outcome = storeless("trunks", "list")
    assert (outcome.code, outcome.stderr) == (0, "")
    assert outcome.stdout == (
        f"8\t{UUID.format(8)}\ttrunk-8\tpublic-outbound\t\t\t\t\t1\t\n"
        f"7\t{UUID.format(7)}\t{long}\toutbound\t198.51.100.1\t5060\ttls\t9\t2\tno\n"
    )


def test_json_has_every_field_null_where_missing_and_no_secret(
    storeless: Opbx, sandbox: RunningSandbox
) -> None:
    password = "a-password-of-24-letters-or-more"
    sandbox.state.replace_trunks(
        [
            trunk(1, direction="outbound", metric=1, ip="198.51.100.1", port=5060)
            | {"transport": "udp", "prefix": "", "active": True, "allowGlobal": False}
            | {"globalPrefix": "00", "createdAt": "2024-03-01T09:00:00Z", "unknown": {"a": 1}}
            | {"modifiedAt": "2024-03-02T09:00:00Z"}
            | {
                "profile": {
                    "sip-secret": "must-not-be-shown",
                    "authentication": {
                        "username": "acme",
                        "password": password,
                        "overwrite-from": True,
                        "realm": "must-not-be-shown",
                    },
                }
            },
            {"direction": "outbound"},
        ]
    )
    outcome = storeless("trunks", "list", "--json")
    assert (outcome.code, outcome.stderr) == (0, "")
    complete = {
        "id": 1,
        "uuid": UUID.format(1),
        "name": "trunk-1",
        "ip": "198.51.100.1",
        "port": 5060,
        "transport": "udp",
        "prefix": "",
        "direction": "outbound",
        "metric": 1,
        "active": True,
        "allow_global": False,
        "global_prefix": "00",
        "created_at": "2024-03-01T09:00:00Z",
        "modified_at": "2024-03-02T09:00:00Z",
        "authentication": {
            "username": "acme",
            "password": {
                "set": True,
                "mask": "************",  # a person chose it: a hash would confirm a guess
                "fingerprint": None,
            },
            "overwrite_from": True,
        },
        "profile_keys": ["authentication", "sip-secret"],
    }
    bare = dict.fromkeys(FIELDS) | {"direction": "outbound", "profile_keys": []}
    assert outcome.document == {
        "schema": "opbx.trunks/1",
        "profile": None,
        "domain_uuid": sandbox.domains[0].uuid,
        "trunks": [complete, bare],
        "warnings": [],
    }
    assert "must-not-be-shown" not in outcome.stdout


def test_the_document_names_the_stored_profile(configured: Opbx) -> None:
    outcome = configured("trunks", "list", "-o", "json")
    assert outcome.code == 0
    assert outcome.document["profile"] == "default"
    assert len(outcome.document["trunks"]) == 4
    assert all(entry.keys() == FIELDS for entry in outcome.document["trunks"])


def test_warnings_are_part_of_the_document_and_in_text_on_stderr(
    configured: Opbx, sandbox: RunningSandbox
) -> None:
    elsewhere = {"CLOUDONIX_API_BASE_URL": "https://api.staging.cloudonix.io"}
    document = configured("trunks", "list", "--json", **elsewhere)
    assert (document.code, document.stderr) == (0, "")
    (warning,) = document.document["warnings"]
    assert warning.startswith("CLOUDONIX_API_BASE_URL is ignored: profile 'default' belongs to ")
    text = configured("trunks", "list", **elsewhere)
    assert (text.code, text.stderr) == (0, f"warning: {warning}\n")
    assert len(sandbox.requests) == 2, "a stored key goes to its own server and nowhere else"


def test_csv_has_a_header_and_quotes_what_needs_it(
    storeless: Opbx, sandbox: RunningSandbox
) -> None:
    sandbox.state.replace_trunks([trunk(1, name='a,"b"\nc', direction="outbound", port=5060)])
    outcome = storeless("trunks", "list", "--output", "csv")
    assert (outcome.code, outcome.stderr) == (0, "")
    assert outcome.stdout.splitlines()[0] == COLUMNS
    (row,) = csv.DictReader(io.StringIO(outcome.stdout))
    assert (row["id"], row["name"], row["port"], row["metric"]) == ("1", 'a,"b"c', "5060", "")


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], ["out", "public-out", "OUT"]),
        (["--direction", "outbound"], ["out", "public-out", "OUT"]),
        (["--direction", "inbound"], ["in", "public-in"]),
        (
            ["--direction", "all"],
            ["out", "in", "public-out", "public-in", "OUT", "sideways", "number", "none"],
        ),
    ],
)
def test_a_direction_unknown_today_is_shown_by_all_alone(
    storeless: Opbx, sandbox: RunningSandbox, arguments: list[str], expected: list[str]
) -> None:
    directions = {
        "out": "outbound",
        "in": "inbound",
        "public-out": "public-outbound",
        "public-in": "public-inbound",
        "OUT": "Outbound",
        "sideways": "sideways",
        "number": 7,
        "none": None,
    }
    sandbox.state.replace_trunks(
        [trunk(1, name=name, direction=value) for name, value in directions.items()]
    )
    outcome = storeless("trunks", "list", "--json", *arguments)
    assert (outcome.code, names(outcome)) == (0, expected)


@pytest.mark.parametrize("value", ["sideways", "", "OUTBOUND"])
def test_a_direction_that_is_none_is_a_usage_error(
    storeless: Opbx, sandbox: RunningSandbox, value: str
) -> None:
    outcome = storeless("trunks", "list", "--direction", value)
    assert (outcome.code, outcome.stdout) == (2, "")
    assert outcome.stderr == "error: --direction: expected one of outbound, inbound, all\n"
    assert sandbox.requests == ()


def test_trunks_come_in_routing_order_and_those_without_a_metric_last(
    storeless: Opbx, sandbox: RunningSandbox
) -> None:
    metrics = {"c": 10, "none": None, "a": "2", "b": 2.0, "d": "x", "first": -1}
    sandbox.state.replace_trunks(
        [
            trunk(1, name=name, metric=metric, direction="outbound")
            for name, metric in metrics.items()
        ]
    )
    outcome = storeless("trunks", "list", "--json")
    assert (outcome.code, names(outcome)) == (0, ["first", "a", "b", "c", "none", "d"])


@pytest.mark.parametrize("variant", ["empty-list=404", "empty-list=list"])
@pytest.mark.parametrize("form", ["text", "json", "csv"])
def test_no_trunks_is_an_empty_answer_however_cloudonix_says_so(
    storeless: Opbx, sandbox: RunningSandbox, variant: str, form: str
) -> None:
    sandbox.set_variants(variant)
    sandbox.state.replace_trunks([])
    outcome = storeless("trunks", "list", "-o", form)
    assert (outcome.code, outcome.stderr) == (0, "")
    if form == "json":
        assert outcome.document["trunks"] == []
    else:
        assert outcome.stdout == (f"{COLUMNS}\n" if form == "csv" else "")


@pytest.mark.parametrize("command", [["list"], ["show", "anything"]])
def test_a_wrong_domain_is_told_apart_from_an_empty_list(
    storeless: Opbx, sandbox: RunningSandbox, command: list[str]
) -> None:
    wrong = "00000000-0000-4000-8000-000000000000"
    outcome = storeless("trunks", *command, "--json", OPBX_DOMAIN_UUID=wrong)
    assert (outcome.code, outcome.stdout) == (5, "")
    assert outcome.error == {
        "code": "domain.not_found",
        "message": "this domain does not exist in Cloudonix (404): the API key is accepted, "
        "so the domain UUID is wrong or the domain was deleted",
        "hint": "check OPBX_DOMAIN_UUID",
        "exit_code": 5,
        "retryable": False,
        "http_status": 404,
    }
    text = storeless("trunks", *command, OPBX_DOMAIN_UUID=wrong)
    assert (text.code, text.stdout) == (5, "")
    assert text.stderr.startswith("error: this domain does not exist")
    assert text.stderr.endswith("\nhint: check OPBX_DOMAIN_UUID\n")


@pytest.mark.parametrize("command", [["list"], ["list", "--direction", "all"], ["show", "office"]])
def test_a_list_costs_one_round_trip(
    storeless: Opbx, sandbox: RunningSandbox, command: list[str]
) -> None:
    assert storeless("trunks", *command).code == 0
    assert [request.call for request in sandbox.requests] == ["list-trunks"]


def test_only_an_empty_list_costs_a_second_one_over_the_same_connection(
    storeless: Opbx, sandbox: RunningSandbox
) -> None:
    sandbox.state.replace_trunks([])
    assert storeless("trunks", "list").code == 0
    assert [request.call for request in sandbox.requests] == ["list-trunks", "get-domain"]
    assert len({request.client_port for request in sandbox.requests}) == 1


@pytest.mark.parametrize(
    "wanted", ["carrier-main", "1001000002", "5a4db0c5-0000-4000-8000-00003baa0c42"]
)
@pytest.mark.parametrize("upper", [False, True])
def test_show_finds_a_trunk_by_name_id_or_uuid(storeless: Opbx, wanted: str, upper: bool) -> None:
    wanted = wanted.upper() if upper and "-0000-" in wanted else wanted
    outcome = storeless("trunks", "show", wanted, "--json")
    assert (outcome.code, outcome.stderr) == (0, "")
    assert outcome.document["schema"] == "opbx.trunk/1"
    assert outcome.document["warnings"] == []
    assert outcome.document["profile"] is None
    assert outcome.document["trunk"].keys() == FIELDS
    assert outcome.document["trunk"]["name"] == "carrier-main"


def test_show_in_text_masks_the_password_and_lists_key_names_only(
    storeless: Opbx,
) -> None:
    outcome = storeless("trunks", "show", "carrier-main")
    assert (outcome.code, outcome.stderr) == (0, "")
    rows = dict(line.split("\t") for line in outcome.stdout.splitlines())
    assert rows["authentication.password"] == "************"
    assert rows["profile_keys"] == "authentication, codecs"
    assert "sandbox-password" not in outcome.stdout


def test_a_trunk_without_most_of_its_settings_is_shown(
    storeless: Opbx, start_sandbox: Callable[..., RunningSandbox]
) -> None:
    odd = start_sandbox(variants=["trunk-data=odd"])
    storeless.environ["CLOUDONIX_API_BASE_URL"] = odd.url
    bare = storeless("trunks", "show", "half-configured")
    rows = dict(line.split("\t") for line in bare.stdout.splitlines())
    assert (bare.code, rows["metric"], rows["profile_keys"]) == (0, "", "")


def test_the_uuid_wins_over_the_id_and_the_id_over_the_name(
    storeless: Opbx, sandbox: RunningSandbox
) -> None:
    sandbox.state.replace_trunks(
        [
            trunk(1, name=UUID.format(2)),
            trunk(2, name="3"),
            {"id": UUID.format(2), "name": "an id like a UUID"},
            trunk(3, name="three"),
        ]
    )
    by_uuid = storeless("trunks", "show", UUID.format(2), "--json")
    assert by_uuid.document["trunk"]["name"] == "3"
    by_id = storeless("trunks", "show", "3", "--json")
    assert by_id.document["trunk"]["name"] == "three"


@pytest.mark.parametrize("variant", ["ids=number", "ids=string"])
def test_an_id_is_the_same_whether_it_comes_as_a_number_or_as_text(
    storeless: Opbx, sandbox: RunningSandbox, variant: str
) -> None:
    sandbox.set_variants(variant, "numbers=string")
    outcome = storeless("trunks", "show", "1001000002", "--json")
    shown = outcome.document["trunk"]
    assert (outcome.code, shown["id"], shown["port"], shown["metric"]) == (0, 1001000002, 5060, 10)


def test_a_name_that_fits_several_trunks_is_a_usage_error_that_lists_them(
    storeless: Opbx, sandbox: RunningSandbox
) -> None:
    sandbox.state.replace_trunks(
        [
            trunk(1, name="twin\x1b[31m\n"),
            {"id": 2, "name": "twin\x1b[31m\n"},
            {"name": "twin\x1b[31m\n"},
        ]
    )
    outcome = storeless("trunks", "show", "twin\x1b[31m\n")
    assert (outcome.code, outcome.stdout) == (2, "")
    assert outcome.stderr == (
        f"error: 3 trunks fit: twin[31m ({UUID.format(1)}), twin[31m (id 2), twin[31m (no id)\n"
        f"hint: name one by its UUID or id, as in `opbx trunks show {UUID.format(1)}`\n"
    )
    error = storeless("trunks", "show", "twin\x1b[31m\n", "--json").error
    assert (error["code"], error["exit_code"]) == ("usage.ambiguous", 2)


def test_a_trunk_that_is_not_there_is_not_found(storeless: Opbx) -> None:
    outcome = storeless("trunks", "show", "sip-secret-typed-here", "--json")
    assert (outcome.code, outcome.stdout) == (5, "")
    assert outcome.error == {
        "code": "trunk.not_found",
        "message": "no trunk of this domain has that name, id or UUID",
        "hint": "`opbx trunks list --direction all` shows them",
        "exit_code": 5,
        "retryable": False,
        "http_status": None,
    }


@pytest.mark.parametrize("name", [None, "named"])
def test_an_empty_name_never_means_the_trunk_without_a_uuid(
    storeless: Opbx, sandbox: RunningSandbox, name: str | None
) -> None:
    sandbox.state.replace_trunks([{"id": 1, "name": name}])
    outcome = storeless("trunks", "show", "")
    assert (outcome.code, outcome.stdout) == (5, "")


def test_ten_thousand_trunks_are_all_there(
    opbx: Opbx, start_sandbox: Callable[..., RunningSandbox]
) -> None:
    sandbox = start_sandbox(trunks=10_000)
    domain = sandbox.domains[0]
    environ = {
        "CLOUDONIX_API_BASE_URL": sandbox.url,
        "OPBX_DOMAIN_UUID": domain.uuid,
        "OPBX_DOMAIN_API_KEY": domain.api_key,
    }
    outcome = opbx("trunks", "list", "--direction", "all", "--json", **environ)
    assert (outcome.code, outcome.stderr) == (0, "")
    shown = outcome.document["trunks"]
    assert {entry["uuid"] for entry in shown} == {entry["uuid"] for entry in sandbox.state.trunks()}
    assert len(shown) == 10_000
    assert [entry["metric"] for entry in shown] == sorted(entry["metric"] for entry in shown)
    assert len(sandbox.requests) == 1


MANY = [
    trunk(1, name="Carrier Main", ip="198.51.100.1", port=5060, metric=20, active=True)
    | {"direction": "outbound", "prefix": "9"},
    trunk(2, name="carrier-backup", ip="2001:db8::1", port=5060, metric=10, active=False)
    | {"direction": "outbound"},
    trunk(3, name="Büro", ip="192.0.2.7", metric=5, direction="inbound"),
    trunk(4, name="zeta", ip="203.0.113.9", port=5061, direction="public-outbound", prefix="99"),
]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--search", "CARRIER"], ["carrier-backup", "Carrier Main"]),
        (["--search", "198.51.100"], ["Carrier Main"]),
        (["--search", "[2001:DB8::1]:5060"], ["carrier-backup"]),
        (["--search", "9", "--direction", "all"], ["Büro", "Carrier Main", "zeta"]),
        (["--search", "nothing"], []),
        (["--active"], ["Carrier Main", "zeta"]),
        (["--inactive"], ["carrier-backup"]),
        (["--sort", "name"], ["Carrier Main", "carrier-backup", "zeta"]),
        (["--sort", "address"], ["Carrier Main", "zeta", "carrier-backup"]),
        (["--sort", "prefix"], ["Carrier Main", "zeta", "carrier-backup"]),
    ],
)
def test_support_asks_in_one_command(
    storeless: Opbx, sandbox: RunningSandbox, options: list[str], expected: list[str]
) -> None:
    sandbox.state.replace_trunks(MANY)
    found = names(storeless("trunks", "list", *options, "--json"))
    assert found == expected


def test_columns_are_chosen_in_every_form(storeless: Opbx, sandbox: RunningSandbox) -> None:
    sandbox.state.replace_trunks(MANY)
    argv = ("trunks", "list", "--columns", "Address, name", "--inactive")
    assert storeless(*argv).stdout == "[2001:db8::1]:5060\tcarrier-backup\n"
    assert storeless(*argv, "-o", "csv").stdout == (
        "address,name\n[2001:db8::1]:5060,carrier-backup\n"
    )
    wrong = storeless("trunks", "list", "--columns", "name,colour")
    assert wrong.code == 2
    assert "--columns: expected some of id, uuid, name" in wrong.stderr


@pytest.mark.parametrize("option", ["--sort", "--columns"])
def test_a_column_that_is_none_is_a_usage_error(storeless: Opbx, option: str) -> None:
    outcome = storeless("trunks", "list", option, "colour")
    assert (outcome.code, outcome.stdout) == (2, "")
    assert outcome.stderr.startswith(f"error: {option}: expected ")


def test_on_a_terminal_it_says_how_many_in_which_order_and_what_is_not_shown(
    storeless: Opbx, sandbox: RunningSandbox
) -> None:
    sandbox.state.replace_trunks(MANY)
    environ = storeless.process_environ(NO_COLOR="1")

    def shown(*options: str) -> str:
        code, text = shown_on_terminal("trunks", "list", *options, environ=environ, columns=120)
        assert code == 0
        return text

    assert "3 outbound trunks, in routing order: the first that fits is used; 1 other is not" in (
        shown()
    )
    assert "1 inactive outbound trunk, sorted by name; 3 others are not shown." in (
        shown("--inactive", "--sort", "name")
    )
    assert "[2001:db8::1]:5060" in shown()
    sandbox.state.replace_trunks(MANY[2:3])
    assert "No outbound trunks. 1 inbound: `--direction all` shows them." in shown()
    assert "No outbound trunks with 'x'. 1 inbound" in shown("--search", "x")


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ("carrier main", "Carrier Main"),
        ("CARRIER-BACKUP", "carrier-backup"),
        ("carrier-", "carrier-backup"),
        ("ze", "zeta"),
        ("Bu\u0308ro", "Büro"),  # the same letter, composed in another way
        ("büro", "Büro"),
    ],
)
def test_show_takes_a_name_as_people_write_it(
    storeless: Opbx, sandbox: RunningSandbox, wanted: str, found: str
) -> None:
    sandbox.state.replace_trunks(MANY)
    outcome = storeless("trunks", "show", wanted, "--json")
    assert outcome.code == 0, outcome.stderr
    assert outcome.document["trunk"]["name"] == found


def test_show_offers_what_is_near(storeless: Opbx, sandbox: RunningSandbox) -> None:
    sandbox.state.replace_trunks(MANY)
    outcome = storeless("trunks", "show", "carier-bakcup", "--json")
    assert (outcome.code, outcome.error["code"]) == (5, "trunk.not_found")
    assert "; near it: carrier-backup" in outcome.error["message"]
    several = storeless("trunks", "show", "carrier", "--json")
    assert (several.code, several.error["code"]) == (2, "usage.ambiguous")


@pytest.mark.parametrize(
    ("name", "cell"),
    [
        ("=1+1", "'=1+1"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("+cmd|' /C calc'!A0", "'+cmd|' /C calc'!A0"),
        ("-2+3", "'-2+3"),
        ("  =1", "'  =1"),
        ("+1 555 0100", "+1 555 0100"),
        ("-12.5", "-12.5"),
        ("a=1", "a=1"),
    ],
)
def test_csv_has_no_cell_that_a_spreadsheet_would_run(
    storeless: Opbx, sandbox: RunningSandbox, name: str, cell: str
) -> None:
    sandbox.state.replace_trunks([trunk(1, name=name, direction="outbound")])
    table = storeless("trunks", "list", "--columns", "name", "-o", "csv").stdout
    assert list(csv.reader(io.StringIO(table)))[1] == [cell]


def test_json_is_for_every_parser_also_where_a_text_is_half_a_character(
    storeless: Opbx, sandbox: RunningSandbox
) -> None:
    sandbox.state.replace_trunks([trunk(1, name="a\ud800\U0001f600b", direction="outbound")])
    outcome = storeless("trunks", "list", "--json")
    assert outcome.document["trunks"][0]["name"] == "a\ufffd\U0001f600b"
    assert "\\ud800" not in outcome.stdout
