#include "cli/arguments.h"
#include "cli/commands.h"
#include "cli/console.h"
#include "config/options.h"
#include "ledger/ledger.h"
#include "plugin/schema.h"
#include "report/run_report.h"
#include "run/planning.h"
#include "run/workbench.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <cstdint>

namespace peftbench::cli {

int params_command(const std::vector<std::string>& words) {
  Arguments arguments(
      "params", "Counts the parameters that a method adds to a backbone. Only sizes are needed: no weights are read.");
  arguments.add_method_and_backbone();
  arguments.setting("--task", option_key::task, "use the settings for this task");
  arguments.add_set();
  arguments.add_paths();
  arguments.add_json();
  if (!arguments.parse(words)) return 0;
  Resources resources(arguments.paths());
  const Setup setup = set_up(resources, arguments.config(), BackboneNeed::sizes);
  const nlohmann::json ledger = to_json(plan_ledger(*setup.plugin, setup.config.values, setup.backbone.spec,
                                                    task_shape(resources, setup.config), setup.config.options.train));
  const std::int64_t frozen = setup.backbone.spec.parameter_count();
  if (arguments.json()) {
    const Json json = {{"method", setup.plugin->name},
                       {"backbone", setup.backbone.name},
                       {"values", to_json(setup.config.values)},
                       {"backbone_parameters", frozen},
                       {"ledger", ledger}};
    print_json(json);
  } else {
    print(fmt::format("{} on {}\n", setup.plugin->name, setup.backbone.name) +
          describe_ledger(Json(ledger), frozen, terminal_width(1)));
  }
  return 0;
}

}  // namespace peftbench::cli
