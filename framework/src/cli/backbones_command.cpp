#include "backbone/config_json.h"
#include "backbone/hub.h"
#include "cli/arguments.h"
#include "cli/commands.h"
#include "cli/console.h"
#include "config/paths.h"
#include "core/first_line.h"
#include "core/names.h"
#include "report/render.h"
#include "report/text_sheet.h"

#include <peftbench/spec.h>

#include <nlohmann/json.hpp>

namespace peftbench::cli {
namespace {

Json listing_json(const BackboneListing& b) {
  return {{"name", b.name},
          {"aliases", b.aliases},
          {"parameters", b.parameters},
          {"folder", b.folder ? Json(b.folder->string()) : Json(nullptr)},
          {"hub", b.hub},
          {"source", b.source},
          {"problem", b.problem}};
}

int describe_backbone(const std::string& name, const Paths& paths, bool as_json) {
  const ResolvedBackbone backbone = resolve_backbone(name, backbone_search(paths), BackboneNeed::sizes);
  const BackboneSpec& s = backbone.spec;
  const Json json = {{"name", backbone.name},
                     {"folder", backbone.folder ? Json(backbone.folder->string()) : Json(nullptr)},
                     {"parameters", s.parameter_count()},
                     {"vocab_size", s.vocab_size},
                     {"d_model", s.d_model},
                     {"d_kv", s.d_kv},
                     {"num_heads", s.num_heads},
                     {"d_ff", s.d_ff},
                     {"encoder_layers", s.encoder_layers},
                     {"decoder_layers", s.decoder_layers},
                     {"activation", std::string(enum_name(s.activation))},
                     {"gated", s.gated},
                     {"tied", s.tied},
                     {"linear_maps", s.linear_names()}};
  if (as_json) {
    print_json(json);
    return 0;
  }
  TextSheet sheet;
  for (const auto& [key, value] : json.items())
    sheet.add(key, value.is_null()      ? "no weights: sizes only"
                   : value.is_string()  ? value.get<std::string>()
                   : value.is_array()   ? join(value.get<std::vector<std::string>>())
                   : value.is_boolean() ? (value.get<bool>() ? "yes" : "no")
                                        : with_thousands(value.get<long long>()));
  print(sheet.text(terminal_width(1)));
  return 0;
}

}  // namespace

int backbones_command(const std::vector<std::string>& words) {
  Arguments arguments("backbones", "Lists the frozen models, or the sizes of one model.");
  std::string name;
  arguments.app().add_option("NAME", name, "a backbone, or a Hugging Face folder")->type_name("");
  arguments.add_paths();
  arguments.add_json();
  if (!arguments.parse(words)) return 0;
  const Paths paths = arguments.paths();
  if (!name.empty()) return describe_backbone(name, paths, arguments.json());
  Table table({"backbone", right_column("parameters"), "weights"});
  Json json = Json::array();
  for (const BackboneListing& b : list_backbones(backbone_search(paths))) {
    const std::string where = !b.problem.empty() ? "cannot be used: " + first_line(b.problem)
                              : b.folder
                                  ? b.folder->string()
                                  : "not downloaded (sizes only)" + (b.hub.empty() ? "" : "; on the hub: " + b.hub);
    table.add({b.name, b.parameters > 0 ? with_thousands(b.parameters) : "-", where});
    json.push_back(listing_json(b));
  }
  if (arguments.json())
    print_json(json);
  else
    print(render_text(table, terminal_width(1)));
  return 0;
}

}  // namespace peftbench::cli
