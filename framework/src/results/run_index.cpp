#include "results/run_index.h"

#include "core/hash.h"
#include "core/write_files.h"

#include <peftbench/error.h>

#include <fcntl.h>
#include <sqlite3.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <climits>
#include <exception>
#include <map>
#include <string_view>
#include <utility>

namespace peftbench::results {
namespace {

constexpr int application = 0x50464258;  // of SQLite's header: "PFBX"
constexpr const char* tables[] = {"CREATE TABLE format(name TEXT)",
                                  "CREATE TABLE shared(id INTEGER PRIMARY KEY, bytes BLOB)",
                                  "CREATE TABLE records(folder BLOB, size INTEGER, modified INTEGER, changed INTEGER, "
                                  "inode INTEGER, id BLOB, status BLOB, place INTEGER, settings INTEGER, own BLOB, "
                                  "checksum BLOB)"};

struct IndexFault : std::exception {};  // the index is of no use

// Nothing of what it holds is run, and no lock is asked for: the file never changes.
class Database {
 public:
  Database(const fs::path& file, int flags) {
    if (sqlite3_open_v2(file.c_str(), &db_, flags | SQLITE_OPEN_NOFOLLOW | SQLITE_OPEN_NOMUTEX, "unix-none") !=
        SQLITE_OK)
      fail();
    sqlite3_db_config(db_, SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
    sqlite3_db_config(db_, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, nullptr);
  }
  ~Database() { sqlite3_close(db_); }
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;
  void run(const std::string& sql) {
    if (sqlite3_exec(db_, sql.c_str(), nullptr, nullptr, nullptr) != SQLITE_OK) throw IndexFault();
  }
  sqlite3* get() const { return db_; }

 private:
  [[noreturn]] void fail() {
    sqlite3_close(db_);
    throw IndexFault();
  }
  sqlite3* db_ = nullptr;
};

class Statement {
 public:
  Statement(const Database& database, const char* sql) {
    if (sqlite3_prepare_v2(database.get(), sql, -1, &statement_, nullptr) != SQLITE_OK) throw IndexFault();
  }
  ~Statement() { sqlite3_finalize(statement_); }
  Statement(const Statement&) = delete;
  Statement& operator=(const Statement&) = delete;

  bool next() {
    const int result = sqlite3_step(statement_);
    if (result != SQLITE_ROW && result != SQLITE_DONE) throw IndexFault();
    return result == SQLITE_ROW;
  }
  std::int64_t integer(int column) { return sqlite3_column_int64(statement_, column); }
  bool absent(int column) { return sqlite3_column_type(statement_, column) == SQLITE_NULL; }
  std::string bytes(int column) {
    const void* data = sqlite3_column_blob(statement_, column);
    return data ? std::string(static_cast<const char*>(data),
                              static_cast<std::size_t>(sqlite3_column_bytes(statement_, column)))
                : std::string();
  }
  // What is bound must live until `insert`.
  void bind(int place, std::int64_t value) { check(sqlite3_bind_int64(statement_, place, value)); }
  void bind(int place, std::string_view bytes) {
    if (bytes.size() > INT_MAX) throw IndexFault();
    check(sqlite3_bind_blob(statement_, place, bytes.empty() ? "" : bytes.data(), static_cast<int>(bytes.size()),
                            SQLITE_STATIC));
  }
  void bind_absent(int place) { check(sqlite3_bind_null(statement_, place)); }
  void insert() {
    next();
    check(sqlite3_reset(statement_));
  }

 private:
  static void check(int result) {
    if (result != SQLITE_OK) throw IndexFault();
  }
  sqlite3_stmt* statement_ = nullptr;
};

// Hashes of shared bytes, each computed once.
class SharedHashes {
 public:
  const std::string& of(const SharedBytes::Pointer& bytes) {
    std::string& hash = known_[bytes.get()];
    if (hash.empty()) hash = sha256(*bytes);
    return hash;
  }

 private:
  std::map<const std::string*, std::string> known_;
};

// Over all that a row says, so that no bit of the file can change unnoticed.
std::string checksum_of(const IndexedRecord& record, SharedHashes& hashes) {
  Sha256 sum;
  const auto add = [&](std::string_view text) {
    const std::uint64_t size = text.size();
    sum.update(&size, sizeof size);
    sum.update(text);
  };
  const std::int64_t numbers[] = {record.state.size, record.state.modified, record.state.changed, record.state.inode,
                                  record.record.has_value()};
  sum.update(numbers, sizeof numbers);
  add(record.folder);
  if (const auto& packed = record.record) {
    add(packed->id);
    add(packed->status);
    add(packed->own);
    add(hashes.of(packed->place));
    add(hashes.of(packed->settings));
  } else {
    add(record.fault);
  }
  return sum.hex().substr(0, 32);
}

void check_format(const Database& database) {
  Statement schema(database, "SELECT sql FROM sqlite_master ORDER BY rowid");
  for (const char* table : tables)
    if (!schema.next() || schema.bytes(0) != table) throw IndexFault();
  if (schema.next()) throw IndexFault();  // a view, a trigger, …
  Statement format(database, "SELECT name FROM format");
  if (!format.next() || format.bytes(0) != packed_format()) throw IndexFault();
}

std::vector<IndexedRecord> read_rows(const Database& database, SharedBytes& shared) {
  std::map<std::int64_t, SharedBytes::Pointer> parts;
  Statement part(database, "SELECT id, bytes FROM shared");
  while (part.next()) parts[part.integer(0)] = shared.share(part.bytes(1));
  SharedHashes hashes;
  std::vector<IndexedRecord> records;
  Statement row(
      database,
      "SELECT folder, size, modified, changed, inode, id, status, place, settings, own, checksum FROM records");
  while (row.next()) {
    IndexedRecord record{row.bytes(0), {row.integer(1), row.integer(2), row.integer(3), row.integer(4)}, {}, {}};
    if (row.absent(7)) {
      record.fault = row.bytes(9);
    } else {
      const auto place = parts.find(row.integer(7)), settings = parts.find(row.integer(8));
      if (place == parts.end() || settings == parts.end()) throw IndexFault();
      record.record = {row.bytes(5), row.bytes(6), place->second, settings->second, row.bytes(9)};
    }
    if (checksum_of(record, hashes) != row.bytes(10)) throw IndexFault();
    records.push_back(std::move(record));
  }
  return records;
}

void write_rows(const Database& database, const std::vector<const IndexedRecord*>& records) {
  Statement format(database, "INSERT INTO format VALUES(?)");
  format.bind(1, packed_format());
  format.insert();
  Statement part(database, "INSERT INTO shared VALUES(?, ?)");
  std::map<const std::string*, std::int64_t> ids;
  SharedHashes hashes;
  const auto id_of = [&](const SharedBytes::Pointer& bytes) {
    const auto [known, added] = ids.emplace(bytes.get(), static_cast<std::int64_t>(ids.size()) + 1);
    if (added) {
      part.bind(1, known->second);
      part.bind(2, std::string_view(*bytes));
      part.insert();
    }
    return known->second;
  };
  Statement row(database, "INSERT INTO records VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
  for (const IndexedRecord* record : records) {
    const std::string checksum = checksum_of(*record, hashes);
    const std::int64_t numbers[] = {record->state.size, record->state.modified, record->state.changed,
                                    record->state.inode};
    row.bind(1, std::string_view(record->folder));
    for (int i = 0; i < 4; ++i) row.bind(2 + i, numbers[i]);
    if (const auto& packed = record->record) {
      row.bind(6, std::string_view(packed->id));
      row.bind(7, std::string_view(packed->status));
      row.bind(8, id_of(packed->place));
      row.bind(9, id_of(packed->settings));
      row.bind(10, std::string_view(packed->own));
    } else {
      for (int place = 6; place <= 9; ++place) row.bind_absent(place);
      row.bind(10, std::string_view(record->fault));
    }
    row.bind(11, std::string_view(checksum));
    row.insert();
  }
}

// A name that the remains of a dead process are known by (core/write_files.h), locked while it is written.
Descriptor temporary_beside(const fs::path& file, fs::path& temporary) {
  static std::atomic<unsigned> number{0};
  temporary = file.string() + ".tmp-" + std::to_string(::getpid()) + "-" + std::to_string(number++);
  Descriptor open = open_own_file(temporary, O_RDWR | O_CREAT | O_EXCL);
  ::flock(open.get(), LOCK_EX | LOCK_NB);
  return open;
}

}  // namespace

bool RunIndex::is_ours() const {
  struct stat status {};
  if (::lstat(file_.c_str(), &status) != 0) return errno == ENOENT;
  if (!S_ISREG(status.st_mode)) return false;
  std::string header(100, '\0');
  try {
    header.resize(InputFile(file_).read(header.data(), header.size()));
  } catch (const Error&) {
    return false;
  }
  // What is no database at all is a damaged index; a database with another mark is somebody's data.
  if (header.size() < 100 || !header.starts_with(std::string_view("SQLite format 3\0", 16))) return true;
  int mark = 0;
  for (int i = 68; i < 72; ++i) mark = mark << 8 | static_cast<unsigned char>(header[static_cast<std::size_t>(i)]);
  return mark == application;
}

std::vector<IndexedRecord> RunIndex::read(SharedBytes& shared) const {
  if (!file_exists(file_) || !is_ours()) return {};
  try {
    const Database database(file_, SQLITE_OPEN_READONLY);
    check_format(database);
    std::vector<IndexedRecord> records = read_rows(database, shared);
    const auto by_folder = [](const auto& a, const auto& b) { return a.folder < b.folder; };
    if (!std::is_sorted(records.begin(), records.end(), by_folder))
      std::sort(records.begin(), records.end(), by_folder);
    return records;
  } catch (const IndexFault&) {
    return {};
  }
}

bool RunIndex::write(const std::vector<const IndexedRecord*>& records) const {
  if (!is_ours()) return false;
  fs::path temporary;
  Descriptor lock;
  try {
    remove_unfinished_of(file_);
    lock = temporary_beside(file_, temporary);
    {
      Database database(temporary, SQLITE_OPEN_READWRITE);
      database.run("PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; PRAGMA application_id=" +
                   std::to_string(application) + "; BEGIN");
      for (const char* table : tables) database.run(table);
      write_rows(database, records);
      database.run("COMMIT");
    }
    if (::fsync(lock.get()) == 0 || errno == EINVAL || errno == ENOTSUP) {
      replace_file(temporary, file_);
      return true;
    }
  } catch (const IndexFault&) {
  } catch (const Error&) {
  }
  if (lock.ok()) ::unlink(temporary.c_str());
  return false;
}

}  // namespace peftbench::results
