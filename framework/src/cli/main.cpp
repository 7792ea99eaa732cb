#include "cli/command_line.h"

int main(int argc, char** argv) { return peftbench::command_line(argc, argv); }
