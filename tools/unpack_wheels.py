"""unpack_wheels.py WHEELS SITE: of the wheels in one folder, the parts that a C++ program uses, into another.

Of torch: lib, include and version.py, which is written last. Of NVIDIA's wheels: all, since LibTorch finds its
libraries at nvidia/*/lib beside it. Of others (Python packages that torch needs): nothing.
"""

import pathlib
import sys
import zipfile

wheels, site = map(pathlib.Path, sys.argv[1:])
for wheel in sorted(wheels.glob("*.whl")):
    with zipfile.ZipFile(wheel) as archive:  # reading a member checks its CRC
        for name in archive.namelist():
            if name.startswith(("torch/lib/", "torch/include/", "nvidia/")) and "libtorch_python" not in name:
                archive.extract(name, site)
        if "torch/version.py" in archive.namelist():
            archive.extract("torch/version.py", site)
