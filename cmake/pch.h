// Shared by all files that use LibTorch. What is here costs nothing to include again; every file still includes
// what it uses, since the `tidy` preset builds without this header. torch/csrc/autograd is left out on purpose:
// it would add a second to every file, and few need it.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
