"""Table 4 of Lester et al. 2021 (arXiv:2104.08691): parameters of prompt tuning by size and length, all 30 cells,
through `peft-bench params`, which reads no weights. Usage: lester_table4.py PROGRAM
"""

import json
import subprocess
import sys

# As printed: size, (length, trainable, total, percent of the total)
PRINTED = {
    "small": [
        (1, 512, 76961664, "0.00067"), (5, 2560, 76963712, "0.00333"), (20, 10420, 76971572, "0.01330"),
        (50, 25600, 76986752, "0.03325"), (100, 51200, 77012352, "0.06648"), (150, 76800, 77037952, "0.09969")],
    "base": [
        (1, 768, 247578624, "0.00031"), (5, 3840, 247581696, "0.00155"), (20, 15360, 247593216, "0.00620"),
        (50, 38400, 247616256, "0.01551"), (100, 76800, 247654656, "0.03101"), (150, 115200, 247693056, "0.04651")],
    "large": [
        (1, 1024, 783151104, "0.00013"), (5, 5120, 783155200, "0.00065"), (20, 20480, 783170560, "0.00262"),
        (50, 51200, 783201280, "0.00654"), (100, 102400, 783252480, "0.01907"), (150, 153600, 783303680, "0.01961")],
    "xl": [
        (1, 2048, 2849759232, "0.00007"), (5, 10240, 2849767424, "0.00036"), (20, 40960, 2849798144, "0.00143"),
        (50, 102400, 2849859584, "0.00359"), (100, 204800, 2849961984, "0.00718"),
        (150, 307200, 2850064384, "0.01078")],
    "xxl": [
        (1, 4096, 11135336448, "0.00004"), (5, 20480, 11135352832, "0.00018"), (20, 81920, 11135414272, "0.00074"),
        (50, 204800, 11137380352, "0.00184"), (100, 409600, 11135741952, "0.00368"),
        (150, 614400, 11135946752, "0.00552")],
}

# The paper's three misprints. Its own other cells show them: the trainable count is length × d_model, the total is
# that and the frozen model, the percentage is one by the other.
CORRECTED = {
    ("small", 20): (10240, 76971392, "0.01330"),       # printed 10,420, and the total that goes with it
    ("large", 100): (102400, 783252480, "0.01307"),    # printed 0.01907 %
    ("xxl", 50): (204800, 11135537152, "0.00184"),     # printed a total of 11,137,380,352
}


def params(program, size, length):
    command = [program, "params", "--backbone", f"t5-v1_1-{size}", "--method", "prompt_tuning", "--set",
               f"length={length}", "--json"]
    result = subprocess.run(command, capture_output=True, text=True)
    if result.returncode != 0:
        sys.exit(f"$ {' '.join(command)}\nended with {result.returncode}: {result.stderr}")
    return json.loads(result.stdout)


def check(program, size, length, expected):
    trainable, total, percent = expected
    found = params(program, size, length)
    ledger = found["ledger"]
    faults = [f"{name} {ledger[name]}" for name in ("trained", "stored", "inference", "after_merge")
              if ledger[name] != trainable]
    if found["backbone_parameters"] + ledger["trained"] != total:
        faults.append(f"total {found['backbone_parameters'] + ledger['trained']}")
    # Some cells are rounded and some cut (XL 20 and 100): they are good to one unit of the fifth decimal.
    by_hand = 100 * ledger["trained"] / total
    if abs(by_hand - float(percent)) >= 1e-5 or abs(ledger["percent"] - float(percent)) >= 1e-5:
        faults.append(f"percent {ledger['percent']}")
    print(f"{'FAIL' if faults else 'ok  '} {size:5} length {length:3}: {trainable:>7,} of {total:>14,} = {percent} %"
          + (" (a misprint in the paper)" if (size, length) in CORRECTED else "")
          + (f"; found {', '.join(faults)}" if faults else ""))
    return not faults


def main():
    program = sys.argv[1]
    good = []
    for size, rows in PRINTED.items():
        for length, *printed in rows:
            expected = CORRECTED.get((size, length), tuple(printed))
            good.append(check(program, size, length, expected))
    print(f"{sum(good)} of {len(good)} cells")
    sys.exit(0 if all(good) and len(good) == 30 else 1)


if __name__ == "__main__":
    main()
