"""A stand-in of dscl with records of its own: `dscl.py FILE . -list|-read|-create|-delete …`, as dscl(1) answers."""

import json
import sys
from pathlib import Path

_NOT_FOUND = 56  # what dscl exits with for eDSRecordNotFound


def main(file: Path, words: list[str]) -> int:
    records: dict[str, dict[str, str]] = json.loads(file.read_text()) if file.exists() else {}
    verb, path, rest = words[0], words[1], words[2:]
    if verb == "-list":
        for name, record in records.items():
            if name.startswith(f"{path}/") and rest[0] in record:
                print(f"{name.rpartition('/')[2]:<24} {record[rest[0]]}")
        return 0
    if verb == "-create":
        records.setdefault(path, {}).update({rest[0]: " ".join(rest[1:])} if rest else {})
        file.write_text(json.dumps(records))
        return 0
    if path not in records:
        print("<dscl_cmd> DS Error: -14136 (eDSRecordNotFound)", file=sys.stderr)
        return _NOT_FOUND
    if verb == "-delete":
        del records[path]
        file.write_text(json.dumps(records))
    for key in rest if verb == "-read" else ():
        value = records[path].get(key)
        print(f"No such key: {key}" if value is None else f"{key}:\n {value}" if " " in value else f"{key}: {value}")
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[3:]))
